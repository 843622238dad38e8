package grant_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

// A grant may be issued for later; until then it is none, however genuine. The clocks may differ by the leeway.
func TestI12AGrantIsNoneBeforeItsTime(t *testing.T) {
	key := newKey(t)
	c := mint(t, input(t))
	c.NotBefore = c.IssuedAt + 60
	compact, err := grant.Sign(key, kid, c)
	must(t, err)
	from := time.Unix(c.NotBefore, 0)
	w := want(key)
	for at, code := range map[time.Time]writ.Reason{
		time.Unix(c.IssuedAt, 0):                 writ.ReasonGrantClaims,
		from.Add(-grant.MaxLeeway - time.Second): writ.ReasonGrantClaims,
		from.Add(-grant.MaxLeeway):               "",
		from:                                     "",
	} {
		w.Now = at
		if _, err := grant.Check(compact, w); writ.ReasonOf(err) != code {
			t.Errorf("%s before its time: want %q, got %v", from.Sub(at), code, err)
		}
	}
}
