package api_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

const present = `{"grant":"e30.e30.c2ln","proof":"e30.e30.cHJvb2Y"}`

func TestAGrantIsPresentedOnceForOneKey(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	for range 2 {
		if w := request(h, "agent", "POST", "/v1/runs", present, key); w.Code != 202 || w.Header().Get("Location") != "/v1/runs/"+string(runID) {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	if n := f.Count("present e30.e30.c2ln e30.e30.cHJvb2Y"); n != 1 {
		t.Errorf("presented %d times", n)
	}
}

// A grant comes into no answer to a presentation, and into no problem, whatever is wrong with the request.
func TestI20NoAnswerOfTheDoorRepeatsAGrant(t *testing.T) {
	const secret = "eyJhbGciOiJFUzI1NiJ9"
	for name, c := range map[string]struct {
		body string
		err  error
		want int
	}{
		"well":           {`{"grant":"` + secret + `","proof":"` + secret + `"}`, nil, 202},
		"refused":        {`{"grant":"` + secret + `","proof":"` + secret + `"}`, writ.Refuse(writ.ReasonPresenter, "another key"), 403},
		"too long":       {`{"grant":"` + strings.Repeat(secret, 1000) + `","proof":"` + secret + `"}`, nil, 422},
		"without proof":  {`{"grant":"` + secret + `"}`, nil, 422},
		"another member": {`{"grant":"` + secret + `","proof":"` + secret + `","more":1}`, nil, 422},
		"another type":   {`{"grant":["` + secret + `"],"proof":"x"}`, nil, 422},
		"not JSON":       {`{"grant":"` + secret, nil, 422},
	} {
		f := &fake{}
		f.Err = c.err
		w := request(handler(t, f), "agent", "POST", "/v1/runs", c.body, key)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("%s: the answer repeats it: %s", name, w.Body)
		}
	}
}

func TestAHolderIsAThumbprint(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	const thumb = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	with := func(holder string) string {
		return strings.Replace(proposal, `{`, `{"holder":"`+holder+`",`, 1)
	}
	if w := request(h, "agent", "POST", "/v1/proposals", with(thumb), key); w.Code != 201 || f.Asked().Holder != thumb {
		t.Errorf("%d %s; holder %q", w.Code, w.Body, f.Asked().Holder)
	}
	for _, bad := range []string{"x", thumb[1:], thumb[1:] + "=", thumb[1:] + "/", thumb[1:] + "J"} {
		wantProblem(t, request(handler(t, &fake{}), "agent", "POST", "/v1/proposals", with(bad), key), 422, writ.ReasonForm)
	}
}
