package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/writ-dev/writ"
)

// dead demands that every credential of a run is dead, by Writ's record and by what the API server itself says to the
// token that the gate has seen, and that nothing is left of it on the cluster.
func (x *scene) dead(id writ.RunID) {
	x.t.Helper()
	var r writ.RunStatus
	await(x.t, "the leases of "+string(id)+" to be proven dead", func() (bool, string) {
		var err error
		r, err = x.person.Run(x.t.Context(), id)
		must(x.t, err)
		for _, l := range r.Leases {
			if !l.Dead() {
				return false, story(r)
			}
		}
		return len(r.Leases) > 0, story(r)
	})
	probes := map[writ.LeaseID]writ.ProbeBody{}
	for _, e := range x.entries(x.t) {
		if b, ok := e.Body.(*writ.ProbeBody); ok && b.Run == id {
			probes[b.Lease] = *b // the last one
		}
	}
	for _, l := range r.Leases {
		token, p := x.token(l.Name), probes[l.ID]
		if token == "" { // it was never used: there was none
			if !p.PowerGone || !p.IdentityGone {
				x.t.Errorf("lease %s, never used: probed %+v", l.Name, p)
			}
			continue
		}
		if p.PowerStatus != http.StatusForbidden && p.PowerStatus != http.StatusUnauthorized || p.IdentityStatus != http.StatusUnauthorized {
			x.t.Errorf("lease %s: probed %+v", l.Name, p)
		}
		if code := x.statusOf(x.t, token); code != http.StatusUnauthorized {
			x.t.Errorf("lease %s: the API server answers its token with %d", l.Name, code)
		}
	}
	x.nothingLeft(strings.ToLower(string(id)))
}

// nothingLeft demands that no object of a run's leases exists, wherever they can stand.
func (x *scene) nothingLeft(run string) {
	x.t.Helper()
	of := metav1.ListOptions{LabelSelector: "writ.dev/run=" + run}
	accounts, err := x.kube.CoreV1().ServiceAccounts("").List(x.t.Context(), of)
	must(x.t, err)
	roles, err := x.kube.RbacV1().Roles("").List(x.t.Context(), of)
	must(x.t, err)
	bindings, err := x.kube.RbacV1().RoleBindings("").List(x.t.Context(), of)
	must(x.t, err)
	wide, err := x.kube.RbacV1().ClusterRoleBindings().List(x.t.Context(), of)
	must(x.t, err)
	if n := len(accounts.Items) + len(roles.Items) + len(bindings.Items) + len(wide.Items); n != 0 {
		x.t.Errorf("%d objects of the leases of %s are left", n, run)
	}
}

// powerThenIdentity demands that a lease was refused for want of rights before it was for want of an identity.
func (x *scene) powerThenIdentity(id writ.RunID) {
	x.t.Helper()
	var got []writ.ProbeBody
	for _, e := range x.entries(x.t) {
		if b, ok := e.Body.(*writ.ProbeBody); ok && b.Run == id {
			got = append(got, *b)
		}
	}
	if len(got) < 2 || !got[0].PowerGone || got[0].IdentityGone || got[0].PowerStatus != http.StatusForbidden {
		x.t.Fatalf("the first probe must find no power and an identity: %+v", got)
	}
	if last := got[len(got)-1]; !last.IdentityGone || last.IdentityStatus != http.StatusUnauthorized {
		x.t.Errorf("the last probe must find no identity: %+v", last)
	}
}

// A killed runner has a test of its own.
func TestI06NoCredentialOutlivesItsRun(t *testing.T) {
	t.Parallel()
	for _, how := range topologies {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, how, "success", "failure", "cancel")
			t.Run("at their ends", func(t *testing.T) {
				t.Run("after success", func(t *testing.T) {
					t.Parallel()
					x := s.broken(t, "success").diagnosed()
					r := x.ended(x.rollback().Plan, writ.RunSucceeded)
					x.dead(r.ID)
					x.powerThenIdentity(r.ID)
				})
				t.Run("after failure", func(t *testing.T) {
					t.Parallel()
					x := s.broken(t, "failure").diagnosed()
					r := x.ended(x.asks(restartSoon, x.workload(), writ.PlanGranted).Plan, writ.RunUndone)
					if len(r.Leases) != 2 {
						t.Errorf("%d leases; one to go forward and one to undo are expected", len(r.Leases))
					}
					x.dead(r.ID)
				})
			})
			// Last, since a second repair that was put back takes T1 from the agent.
			t.Run("after a person's stop", func(t *testing.T) {
				x := s.broken(t, "cancel").diagnosed()
				run := x.runOf(x.asks(restartLong, x.workload(), writ.PlanGranted).Plan)
				x.reaches(run, writ.EntryProbe) // applied, and now it waits for an effect that does not come
				before := x.now().Spec.Template.Annotations
				if len(before) == 0 {
					t.Fatal("the restart left no mark")
				}
				s.wantCLI(t, 0, you, "run", "stop", string(run), "--reason", "it does not help")
				r := x.endedRun(run, writ.RunUndone)
				// A stop also makes the grant void, and the runner may hear of that first.
				if r.Reason != writ.ReasonStopped && r.Reason != writ.ReasonRevoked {
					t.Errorf("the reason is %s", r.Reason)
				}
				if after := x.now().Spec.Template.Annotations; len(after) != 0 {
					t.Errorf("the mark of the restart is still there: %v", after)
				}
				x.dead(run)
			})
		})
	}
}
