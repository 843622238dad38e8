package notify

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

// slack posts to an incoming webhook of Slack, whose address is a password.
type slack struct{ poster }

// NewSlack makes a channel that posts to an incoming webhook.
func NewSlack(address string, o Options) (Channel, error) {
	p, err := o.poster(address)
	return slack{p}, err
}

func (slack) Kind() string   { return "slack" }
func (slack) Personal() bool { return false }

// A slackText is one text object of Slack's Block Kit; only mrkdwn has markup.
type slackText struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji *bool  `json:"emoji,omitempty"` // plain_text only: false leaves :words: alone
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
}

// Send puts what others chose into blocks of plain text. The link is the one markup, and the one thing that is ours.
func (s slack) Send(ctx context.Context, _ string, m notice.Message) notice.Result {
	plain := func(t string) slackBlock { return slackBlock{"section", slackText{"plain_text", t, new(false)}} }
	body, err := json.Marshal(struct {
		Text        string       `json:"text"` // what a phone's lock screen shows
		Blocks      []slackBlock `json:"blocks"`
		UnfurlLinks bool         `json:"unfurl_links"`
		UnfurlMedia bool         `json:"unfurl_media"`
	}{
		Text:   escapeSlack(m.Subject()),
		Blocks: []slackBlock{plain(m.Subject()), plain(m.Text()), {"section", slackText{Type: "mrkdwn", Text: "<" + escapeSlack(m.Link) + "|Read it in Writ>"}}},
	})
	if err != nil {
		return notice.Result{Failure: writ.FailureRefused, Final: true}
	}
	return s.post(ctx, m.Key, body, map[string]string{"Content-Type": "application/json; charset=utf-8"})
}

// escapeSlack escapes the three characters that Slack's mrkdwn gives a meaning to, and parts what would be bold, struck
// through, or code.
func escapeSlack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "`", "'", "~", "∼", "@", "＠").Replace(s)
}
