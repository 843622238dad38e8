package api_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/api/apitest"
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

// keeping sees what is kept.
type keeping struct {
	api.Idempotency
	answer string
}

func (k *keeping) Finish(ctx context.Context, by writ.Principal, key string, status int, answer []byte) error {
	k.answer = string(answer)
	return k.Idempotency.Finish(ctx, by, key, status, answer)
}

// What was read has a time to be erased at, and the kept answer is a row of the state in the clear: it has the reading's address alone.
func TestTheKeptAnswerToAReadingHoldsNoneOfItsBytes(t *testing.T) {
	f := &fake{}
	c := apitest.Config(f)
	keys := &keeping{Idempotency: c.Idempotency}
	c.Idempotency = keys
	h := serves(t, c)
	var observe string
	for _, c := range every {
		if c.method == "POST" && c.path == "/v1/evidence" {
			observe = c.body
		}
	}
	first := request(h, "agent", "POST", "/v1/evidence", observe, key)
	second := request(h, "agent", "POST", "/v1/evidence", observe, key)
	read := base64.StdEncoding.EncodeToString([]byte(apitest.Read))
	if first.Code != 201 || !strings.Contains(first.Body.String(), read) {
		t.Fatalf("%d %s", first.Code, first.Body)
	}
	if second.Code != 201 || second.Body.String() != first.Body.String() || second.Header().Get("Location") != first.Header().Get("Location") || second.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeat: %d %s, first %s", second.Code, second.Body, first.Body)
	}
	if n := f.Count("evidence " + string(apitest.Evidence().ID)); n != 1 {
		t.Errorf("it was looked up %d times: %v", n, f.Calls())
	}
	if !strings.Contains(keys.answer, `"body":null`) {
		t.Errorf("kept is %q", keys.answer)
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
