package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type trialIn struct {
	Body struct {
		Channel string `json:"channel" minLength:"1" maxLength:"253" doc:"of notices, as get-status lists it"`
	} `nameHint:"NoticeTestRequest"`
}

type trialOut struct{ Body writ.NoticeTrial }

func (d *door) registerNotices() {
	register(d, call{id: "test-notice", method: http.MethodPost, path: "/v1/notices/test", kinds: people, creates: true, body: strict,
		status: http.StatusAccepted, summary: "Send yourself a notice that is marked as a test; get-status tells what became of it"},
		func(ctx context.Context, by writ.Principal, in *trialIn) (*trialOut, error) {
			t, err := d.Overview.TestNotice(ctx, by, in.Body.Channel)
			return &trialOut{t}, err
		})
}
