package api_test

import (
	"testing"

	"github.com/writ-dev/writ"
)

func TestAnAnswerByPasskeyIsPassedOnUnchangedAndHasOneProof(t *testing.T) {
	assertion := `"passkey":{"credential":"aWQ=","authenticator_data":"YXV0aA==","client_data":"e30=","signature":"c2ln"}`
	path := "/v1/plans/" + string(planID) + "/approvals"
	body := func(proof string) string {
		return `{"plan_digest":"` + digest.String() + `","statement":"e30=",` + proof + `"reason":"matches"}`
	}
	for name, c := range map[string]struct {
		proof string
		want  int
	}{
		"a passkey": {assertion + ",", 200}, "both": {assertion + `,"signature":"sig",`, 422}, "none": {"", 422},
		"an unknown member": {`"passkey":{"credential":"aWQ=","authenticator_data":"YXV0aA==","client_data":"e30=","signature":"c2ln","user_handle":"aWQ="},`, 422},
		"a part of one":     {`"passkey":{"credential":"aWQ="},`, 422},
	} {
		f := &fake{}
		w := request(handler(t, f), "human", "POST", path, body(c.proof), key, match+digest.String()+`"`)
		if w.Code != c.want || (f.Count("answer "+string(planID)+" {} by passkey id auth {} sig matches") == 1) != (c.want == 200) {
			t.Errorf("%s: %d %s; calls %v", name, w.Code, w.Body, f.Calls())
		}
	}
	f := &fake{}
	w := request(handler(t, f), "human", "POST", path, body(assertion+","), key, match+writ.DigestOf([]byte("another plan")).String()+`"`)
	wantProblem(t, w, 412, "stale")
}

func TestAPageOfAnotherOriginNeitherEnrolsNorAnswers(t *testing.T) {
	for _, path := range []string{"/v1/passkeys/begin", "/v1/plans/" + string(planID) + "/approvals/begin", "/v1/passkeys/" + string(passkeyID) + "/remove", "/v1/breakglass/begin", "/v1/autonomy/begin"} {
		f := &fake{}
		w := request(handler(t, f), "human", "POST", path, "", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
		if w.Code != 403 || len(f.Calls()) != 0 {
			t.Errorf("%s: %d, calls %v", path, w.Code, f.Calls())
		}
	}
}

func TestADecisionOnAutonomyHasASignatureOrAPasskeyAndNotBoth(t *testing.T) {
	const passkey = `"passkey":{"credential":"aWQ=","authenticator_data":"YXV0aA==","client_data":"e30=","signature":"c2ln"}`
	for body, want := range map[string]int{
		`{"statement":"e30=","reason":"x"}`:                                      422,
		`{"statement":"e30=","reason":"x","signature":"sig",` + passkey + `}`:    422,
		`{"statement":"e30=","reason":"x",` + passkey + `}`:                      200,
		`{"statement":"e30=","reason":"x","passkey":{"credential":"aWQ="}}`:      422,
		`{"statement":"e30=","reason":"x",` + passkey + `,"approve":"everyone"}`: 422,
	} {
		f := &fake{}
		w := request(handler(t, f), "human", "POST", "/v1/autonomy", body)
		if w.Code != want || (want == 200) != (len(f.Calls()) == 1) {
			t.Errorf("%s: %d %s; calls %v", body, w.Code, w.Body, f.Calls())
		}
	}
}
