package api_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

func TestAnApprovalOfAnotherPlanThanTheShownOneIs412WithTheCurrentDigest(t *testing.T) {
	other := writ.DigestOf([]byte("the plan as it was"))
	for name, c := range map[string]struct{ header, body writ.Digest }{
		"If-Match": {other, digest}, "body": {digest, other}, "both": {other, other},
	} {
		f := &fake{}
		w := request(handler(t, f), "human", "POST", "/v1/plans/"+string(planID)+"/approvals", answerBody(c.body), key, match+c.header.String()+`"`)
		p := wantProblem(t, w, 412, "stale")
		if !p.Current.Equal(digest) || w.Header().Get("ETag") != `"`+digest.String()+`"` || !strings.Contains(p.Detail, digest.String()) {
			t.Errorf("%s: %+v %v", name, p, w.Header())
		}
		for _, c := range f.Calls() {
			if strings.HasPrefix(c, "answer") {
				t.Errorf("%s: the answer was passed on", name)
			}
		}
	}
}

func TestIfMatchNamesExactlyOnePlan(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	for _, bad := range []string{"", "If-Match: *", "If-Match: " + digest.String(), `If-Match: W/"` + digest.String() + `"`,
		`If-Match: "` + digest.String() + `", "x"`, `If-Match: ""`, `If-Match: "` + digest.String(), "If-Match: " + digest.String() + `"`, `If-Match: "sha256:00"`} {
		w := request(h, "human", "POST", "/v1/plans/"+string(planID)+"/approvals", answerBody(digest), key, bad)
		wantProblem(t, w, 422, writ.ReasonForm)
	}
	if len(f.Calls()) > 0 {
		t.Errorf("the control plane was reached: %v", f.Calls())
	}
}

func TestTheSignedStatementIsPassedOnUnchanged(t *testing.T) {
	f := &fake{}
	w := request(handler(t, f), "human", "POST", "/v1/plans/"+string(planID)+"/approvals", answerBody(digest), key, match+digest.String()+`"`)
	if w.Code != 200 || f.Count("answer "+string(planID)+" {} -----BEGIN SSH SIGNATURE----- matches") != 1 {
		t.Errorf("%d %s; calls %v", w.Code, w.Body, f.Calls())
	}
}
