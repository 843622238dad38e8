package writ_test

import (
	"slices"
	"testing"

	"github.com/writ-dev/writ"
)

func TestANoticeMovesOnlyAsItsTableSays(t *testing.T) {
	all := []writ.NoticeState{
		writ.NoticeQueued, writ.NoticeSending, writ.NoticeAsked, writ.NoticeDelivered, writ.NoticeUndelivered, writ.NoticeFolded, writ.NoticeMoot,
	}
	may := map[writ.NoticeState][]writ.NoticeState{
		writ.NoticeQueued:  {writ.NoticeSending, writ.NoticeFolded, writ.NoticeMoot, writ.NoticeUndelivered},
		writ.NoticeSending: {writ.NoticeSending, writ.NoticeQueued, writ.NoticeAsked, writ.NoticeDelivered, writ.NoticeUndelivered},
		writ.NoticeAsked:   {writ.NoticeQueued, writ.NoticeDelivered},
	}
	for _, from := range all {
		if from.Final() != (len(may[from]) == 0) {
			t.Errorf("%s is final: %t", from, from.Final())
		}
		for _, to := range all {
			if err := from.Move(to); (err == nil) != slices.Contains(may[from], to) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
	}
}
