package api_test

import "testing"

func TestAnAskForBreakGlassIsPassedOnUnchangedAndHasOneProof(t *testing.T) {
	assertion := `"passkey":{"credential":"aWQ=","authenticator_data":"YXV0aA==","client_data":"e30=","signature":"c2ln"}`
	for name, c := range map[string]struct {
		proof string
		want  int
	}{
		"a passkey": {assertion + ",", 201}, "both": {assertion + `,"signature":"sig",`, 422}, "none": {"", 422}, "a part of one": {`"passkey":{"credential":"aWQ="},`, 422},
		"an unknown member": {`"passkey":{"credential":"aWQ=","authenticator_data":"YXV0aA==","client_data":"e30=","signature":"c2ln","level":"A"},`, 422},
	} {
		f := &fake{}
		w := request(handler(t, f), "human", "POST", "/v1/breakglass", `{"statement":"e30=",`+c.proof+`"justification":"down"}`, key)
		if w.Code != c.want || (f.Count("ask break-glass {} by passkey id auth {} sig null [] down") == 1) != (c.want == 201) {
			t.Errorf("%s: %d %s; calls %v", name, w.Code, w.Body, f.Calls())
		}
	}
}

func TestPitfall34AnAgentCallsNothingOfBreakGlass(t *testing.T) {
	for path, body := range map[string]string{
		"/v1/breakglass":       `{"statement":"e30=","signature":"sig","justification":"down"}`,
		"/v1/breakglass/begin": `{"service":"payments","playbook":{"name":"emergency-restart","version":1,"digest":"` + digest.String() + `"}}`,
	} {
		f := &fake{}
		w := request(handler(t, f), "agent", "POST", path, body, key)
		if w.Code != 403 || len(f.Calls()) != 0 {
			t.Errorf("%s: %d, calls %v", path, w.Code, f.Calls())
		}
	}
}
