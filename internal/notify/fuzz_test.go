package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/notify"
)

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "", "-1", "99999999999999999999", "Sun, 22 Nov 2026 03:12:00 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := notify.RetryAfter(s); d < 0 || d > time.Hour {
			t.Errorf("%q: %s", s, d)
		}
	})
}

func FuzzTextOfOthersStaysWhereItIsPut(f *testing.F) {
	for _, s := range []string{"plain", "<!channel>", "a\r\nBcc: x", "\x00\u2028", "shöp", "=?utf-8?q?x?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if h := notify.HeaderText(s); strings.ContainsAny(h, "\r\n\x00") {
			t.Errorf("header %q", h)
		}
		if e := notify.EscapeSlack(s); strings.ContainsAny(e, "<>@*`") {
			t.Errorf("mrkdwn %q", e)
		}
		if id := notify.MessageID(s); strings.ContainsAny(id, "\r\n<>@ ") {
			t.Errorf("message id %q", id)
		}
	})
}
