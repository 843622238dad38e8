package notify

import (
	"context"
	"mime"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

// ntfy publishes to a topic of an ntfy server, whose name is a password.
type ntfy struct {
	poster
	token string
}

// NewNtfy makes a channel that publishes to the topic at address, with an access token unless that is empty.
func NewNtfy(address, token string, o Options) (Channel, error) {
	p, err := o.poster(address)
	return ntfy{p, token}, err
}

func (ntfy) Kind() string   { return "ntfy" }
func (ntfy) Personal() bool { return false }

// priorities are ntfy's, from 1 to 5.
var priorities = map[writ.NoticeClass]string{writ.NoticeAlarm: "5", writ.NoticeAsk: "4", writ.NoticeNews: "3"}

func (n ntfy) Send(ctx context.Context, _ string, m notice.Message) notice.Result {
	headers := map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Title": headerText(m.Subject()), "Priority": priorities[writ.NoticeEvents[m.Event].Class], "Click": m.Link,
		"Markdown": "no",
	}
	if n.token != "" {
		headers["Authorization"] = "Bearer " + n.token
	}
	return n.post(ctx, m.Key, []byte(cut(m.Text())), headers)
}

// maxNtfy is what ntfy takes as a message, in bytes; longer text becomes a file to be downloaded.
const maxNtfy = 4096

// cut keeps as much of a text as ntfy shows.
func cut(s string) string {
	const end = "…"
	if len(s) <= maxNtfy {
		return s
	}
	return strings.ToValidUTF8(s[:maxNtfy-len(end)], "") + end
}

// headerText makes text fit for one line of a header: without what ends a line, and beyond ASCII as RFC 2047 says.
func headerText(s string) string {
	return mime.QEncoding.Encode("utf-8", strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}
