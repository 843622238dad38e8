package api_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// proposed is the call that proposal arrives as.
const proposed = "propose " + string(incident) + ` rollback-deployment {"force":true,"name":"api","replicas":3} [] errors since 42`

func TestTheSameKeyAndBodyGetTheSameAnswerAndDoNothingTwice(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	first := request(h, "agent", "POST", "/v1/proposals", proposal, key)
	second := request(h, "agent", "POST", "/v1/proposals", proposal, key)
	if f.Count(proposed) != 1 {
		t.Errorf("proposed %d times", f.Count(proposed))
	}
	if second.Header().Get("Idempotent-Replayed") != "true" || first.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("replayed: first %q, second %q", first.Header().Get("Idempotent-Replayed"), second.Header().Get("Idempotent-Replayed"))
	}
	for _, name := range []string{"Content-Type", "Location", "ETag"} {
		if first.Header().Get(name) == "" || first.Header().Get(name) != second.Header().Get(name) {
			t.Errorf("%s: %q and %q", name, first.Header().Get(name), second.Header().Get(name))
		}
	}
	if first.Code != 201 || second.Code != 201 || first.Body.String() != second.Body.String() {
		t.Errorf("%d %s\n%d %s", first.Code, first.Body, second.Code, second.Body)
	}
}

func TestAKeyBelongsToOneCallOfOneCaller(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	request(h, "human", "POST", "/v1/proposals", proposal, key)
	wantProblem(t, request(h, "human", "POST", "/v1/proposals", strings.Replace(proposal, "3", "4", 1), key), 422, writ.ReasonIdempotency)
	wantProblem(t, request(h, "human", "POST", "/v1/freezes", freeze, key), 422, writ.ReasonIdempotency)
	if w := request(h, "agent", "POST", "/v1/proposals", proposal, key); w.Code != 201 || w.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("another caller with the same key: %d %v", w.Code, w.Header())
	}
	other := strings.Replace(string(planID), "1MB", "1MC", 1)
	for _, plan := range []string{string(planID), other} {
		w := request(h, "human", "POST", "/v1/plans/"+plan+"/approvals", answerBody(digest), "Idempotency-Key: key-of-two-plans", match+digest.String()+`"`)
		if (w.Code == 200) != (plan != other) {
			t.Errorf("plan %s: %d %s", plan, w.Code, w.Body)
		}
	}
	if f.Count(proposed) != 2 || strings.Contains(strings.Join(f.Calls(), " "), "freeze") {
		t.Errorf("calls %v", f.Calls())
	}
}

func TestAFailedCallFreesItsKey(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	f.Err = writ.ErrFrozen
	wantProblem(t, request(h, "agent", "POST", "/v1/proposals", proposal, key), 423, writ.ReasonFrozen)
	f.Err = nil
	if w := request(h, "agent", "POST", "/v1/proposals", proposal, key); w.Code != 201 || w.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("after the freeze: %d %s", w.Code, w.Body)
	}
}

func TestCreatingCallsDemandAKey(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	for _, c := range every {
		if len(c.headers) == 0 || c.headers[0] != key {
			continue
		}
		for _, bad := range []string{"", "Idempotency-Key: short", "Idempotency-Key: with a space in it", "Idempotency-Key: " + strings.Repeat("x", 129)} {
			headers := append([]string{bad}, c.headers[1:]...)
			who := "human"
			if !strings.Contains(c.kinds, who) {
				who = c.kinds
			}
			wantProblem(t, request(h, who, c.method, c.path, c.body, headers...), 422, writ.ReasonForm)
		}
	}
	if len(f.Calls()) > 0 {
		t.Errorf("the control plane was reached: %v", f.Calls())
	}
}
