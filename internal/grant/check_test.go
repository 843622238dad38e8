package grant_test

import (
	"crypto/ecdsa"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/token"
)

func TestI12AGrantThatIsNotExactlyAsExpectedIsRefusedUnderItsOwnCode(t *testing.T) {
	key, thief := newKey(t), newKey(t)
	good, err := canon.Marshal(mint(t, input(t)))
	must(t, err)
	if _, err := grant.Check(raw(t, key, string(good)), want(key)); err != nil {
		t.Fatalf("the control case: %v", err)
	}
	swap := func(old, new string) string {
		out := strings.Replace(string(good), old, new, 1)
		if out == string(good) {
			t.Fatalf("%s is not in the claims", old)
		}
		return raw(t, key, out)
	}
	const claims, actions = writ.ReasonGrantClaims, `"actions":["kubernetes/workload.rollback"]`
	forgotten, err := token.Sign(key, kid, "dpop+jwt", mint(t, input(t)))
	must(t, err)
	for name, c := range map[string]struct {
		compact string
		want    writ.Reason
	}{
		"nothing":                   {"", writ.ReasonGrantHeader},
		"another type":              {forgotten, writ.ReasonGrantHeader},
		"another key":               {raw(t, thief, string(good)), writ.ReasonGrantSignature},
		"no exp":                    {swap(`"exp":1795317780,`, ``), claims},
		"no iat":                    {swap(`"iat":1795317180,`, ``), claims},
		"no nbf":                    {swap(`"nbf":1795317180,`, ``), claims},
		"exp before nbf":            {swap(`"exp":1795317780`, `"exp":1795317180`), claims},
		"too long a life":           {swap(`"exp":1795317780`, `"exp":1795317781`), claims},
		"another issuer":            {swap(`"iss":"https://writ.example.com"`, `"iss":"https://writ.example.com.evil"`), claims},
		"another runner":            {swap(`runner/prod-eu1"`, `runner/prod-eu2"`), claims},
		"two audiences":             {swap(`"aud":"spiffe://example.com/runner/prod-eu1"`, `"aud":["spiffe://example.com/runner/prod-eu1","spiffe://example.com/runner/b"]`), claims},
		"an audience as a list":     {swap(`"aud":"spiffe://example.com/runner/prod-eu1"`, `"aud":["spiffe://example.com/runner/prod-eu1"]`), claims},
		"an unknown claim":          {swap(`{"aud"`, `{"admin":true,"aud"`), claims},
		"an unknown detail":         {swap(`"limits"`, `"scope":"all","limits"`), claims},
		"a detail twice":            {swap(actions, actions+","+actions), claims},
		"a detail that is null":     {swap(actions, `"actions":null`), claims},
		"a detail in upper case":    {swap(`"actions"`, `"Actions"`), claims},
		"a look-alike detail":       {swap(`"actions"`, `"аctions"`), claims}, // a Cyrillic a
		"an escaped look-alike":     {swap(`"actions"`, `"actionſ"`), claims}, // a long s, which folds to s
		"no details":                {swap(`"authorization_details":[`, `"authorization_details":[],"x":[`), claims},
		"another type of details":   {swap(writ.AuthorizationType, "urn:writ:remediation:v2"), claims},
		"no actions":                {swap(actions, `"actions":[]`), claims},
		"an action twice":           {swap(actions, `"actions":["kubernetes/workload.rollback","kubernetes/workload.rollback"]`), claims},
		"an action with a glob":     {swap("kubernetes/workload.rollback", "kubernetes/*"), claims},
		"a duty that nobody knows":  {swap(`"evidence_digest"`, `"duties":{"call_back_within_seconds":5},"evidence_digest"`), claims},
		"a duty beyond its bound":   {swap(`"evidence_digest"`, `"duties":{"verify_within_seconds":86400},"evidence_digest"`), claims},
		"two runs":                  {swap(`"max_runs":1`, `"max_runs":2`), claims},
		"a negative limit":          {swap(`"max_objects":1`, `"max_objects":-1`), claims},
		"a fraction":                {swap(`"max_objects":1`, `"max_objects":1.0`), claims},
		"no thumbprint":             {swap(`"jkt":"PL8`, `"jkt":"P`), claims},
		"an unknown mode":           {swap(`"mode":"handle"`, `"mode":"bearer"`), claims},
		"another version":           {swap(`"v":1`, `"v":2`), claims},
		"a read-only tier":          {swap(`"tier":"T2"`, `"tier":"T0"`), claims},
		"an unknown tier":           {swap(`"tier":"T2"`, `"tier":"T5"`), claims},
		"no decision":               {swap(`"decision":"dec_01JDB4ZH4E8Q6W2N7M5T9V3XCA",`, ``), claims},
		"a subject of another kind": {swap(`"sub":"incident:`, `"sub":"user:`), claims},
		"an empty subject":          {swap(`incident:INC-2291`, `incident:`), claims},
		"no requester":              {swap(`"client_id":"spiffe://example.com `, `"client_id":"`), claims},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := grant.Check(c.compact, want(key))
			wantReason(t, err, c.want)
			if got.ID != "" {
				t.Error("claims came with the refusal")
			}
		})
	}
}

// Exp passes with 5 s of leeway and no more, and a clock ten minutes off is refused both ways.
func TestPitfall11AGrantIsGoodBetweenItsTimesOnly(t *testing.T) {
	key := newKey(t)
	in := input(t)
	in.Life = 5 * time.Minute
	compact, err := grant.Sign(key, kid, mint(t, in))
	must(t, err)
	for at, want := range map[time.Time]writ.Reason{
		now.Add(-6 * time.Second): writ.ReasonGrantClaims,
		now.Add(-5 * time.Second): "",
		now:                       "",
		now.Add(5*time.Minute + 5*time.Second - 1): "",
		now.Add(5*time.Minute + 5*time.Second):     writ.ReasonGrantExpired,
		now.Add(5*time.Minute + 6*time.Second):     writ.ReasonGrantExpired,
		now.Add(-10 * time.Minute):                 writ.ReasonGrantClaims,
		now.Add(15 * time.Minute):                  writ.ReasonGrantExpired,
	} {
		w := wantAt(key, at)
		if _, err := grant.Check(compact, w); writ.ReasonOf(err) != want {
			t.Errorf("at %s: %v, want %q", at, err, want)
		}
	}
}

func wantAt(key *ecdsa.PrivateKey, at time.Time) grant.Want {
	w := want(key)
	w.Now = at
	return w
}

func TestI05AnEmptyExpectationAcceptsNoGrant(t *testing.T) {
	key := newKey(t)
	compact, err := grant.Sign(key, kid, mint(t, input(t)))
	must(t, err)
	for name, change := range map[string]func(*grant.Want){
		"zero":            func(w *grant.Want) { *w = grant.Want{} },
		"no issuer":       func(w *grant.Want) { w.Issuer = "" },
		"no keys":         func(w *grant.Want) { w.Keys = nil },
		"no runner":       func(w *grant.Want) { w.Runner = "" },
		"no time":         func(w *grant.Want) { w.Now = time.Time{} },
		"too much leeway": func(w *grant.Want) { w.Leeway = grant.MaxLeeway + 1 },
		"negative leeway": func(w *grant.Want) { w.Leeway = -1 },
	} {
		w := want(key)
		change(&w)
		if _, err := grant.Check(compact, w); writ.ReasonOf(err) != writ.ReasonGrantClaims {
			t.Errorf("%s: %v", name, err)
		}
	}
}
