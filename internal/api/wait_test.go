package api_test

import (
	"fmt"
	"testing"
	"time"
)

func TestPreferWaitIsPassedOnAndCutAtTwentySeconds(t *testing.T) {
	for prefer, want := range map[string]time.Duration{
		"": 0, "wait=20": 20 * time.Second, "wait=5": 5 * time.Second, "respond-async, Wait=7": 7 * time.Second,
		"wait=100000": 20 * time.Second, "wait=-1": 0, "wait": 0, "wait=x": 0, "return=minimal": 0,
	} {
		for path, call := range map[string]string{"/v1/plans/" + string(planID): "plan " + string(planID), "/v1/runs/" + string(runID): "run " + string(runID)} {
			f := &fake{}
			w := request(handler(t, f), "agent", "GET", path, "", "Prefer: "+prefer)
			if w.Code != 200 || f.Count(fmt.Sprintf("%s %v", call, want)) != 1 {
				t.Errorf("%s Prefer %q: %d, calls %v, want a wait of %v", path, prefer, w.Code, f.Calls(), want)
			}
			if (want > 0) != (w.Header().Get("Preference-Applied") != "") {
				t.Errorf("Prefer %q: Preference-Applied %q", prefer, w.Header().Get("Preference-Applied"))
			}
		}
	}
}
