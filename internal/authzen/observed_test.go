package authzen_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authzen"
)

// A playbook in observe mode is a no for whoever reads only the decision, whatever policy would say; the context says so,
// and offers no way to ask for it.
func TestAnObservedPlaybookIsANoThatSaysWhatWouldBe(t *testing.T) {
	d := newDoor(t)
	d.rules.observed = true
	for action, would := range map[string]string{"restart": "allow", "scale": "requires", "drain": "deny"} {
		for _, as := range []string{"a", "ann"} {
			status, got, _ := d.post(as, authzen.PathEvaluation, ask("a", "shop", action))
			about, _ := got["context"].(map[string]any)
			because := fmt.Sprint(about["reason_user"])
			if status != 200 || got["decision"] != false || about["reason"] != string(writ.ReasonObserved) {
				t.Errorf("%s of %s: %d %v", action, as, status, got)
			}
			if !strings.Contains(because, "observe mode") || !strings.Contains(because, "nothing of it is run") || !strings.Contains(because, "It would be "+would+".") {
				t.Errorf("%s of %s: %s", action, as, because)
			}
			if about["access_request"] != nil || about["obligations"] != nil {
				t.Errorf("%s of %s can be asked for: %v", action, as, about)
			}
		}
	}
	status, got, _ := d.post("a", authzen.PathEvaluations, `{"evaluations":[`+ask("a", "shop", "restart")+`,`+ask("a", "shop", "scale")+`]}`)
	if all, _ := got["evaluations"].([]any); status != 200 || len(all) != 2 || strings.Contains(fmt.Sprint(got), "decision:true") {
		t.Errorf("%d %v", status, got)
	}
}

// The task of a plan that ended as observed was denied: it is never reported as approved.
func TestTheTaskOfAnObservedPlanIsDenied(t *testing.T) {
	d := newDoor(t)
	d.rules.state = writ.PlanObserved
	req := httptest.NewRequest("GET", "https://writ.test"+authzen.PathRequests+"/"+string(plan), nil)
	req.Header.Set("Authorization", "Bearer a")
	w := httptest.NewRecorder()
	d.door.ServeHTTP(w, req)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"denied"`) || strings.Contains(w.Body.String(), "approved") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
