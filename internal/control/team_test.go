package control_test

import (
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// mapping lets the people's issuer say which teams they are of.
func mapping(c *control.Config) {
	c.Mapped = map[string]bool{idp: true}
	c.Operators = []string{"platform"}
}

// says is what the issuer says of a person, n seconds from now.
func (w *world) says(sub string, n int, teams ...string) {
	w.t.Helper()
	must(w.t, w.ctl.NoteTeams(w.ctx, human(sub), writ.Membership{Teams: teams, AsOf: w.now().Add(time.Duration(n) * time.Second)}))
}

func TestWhoLeftATeamAtTheIssuerDoesNotApproveForItWhateverTheRosterSays(t *testing.T) {
	w := newWorld(t, mapping)
	s := w.waiting()
	_, err := w.approve(s.ID, "ann", "owner") // she never came with a token that says so
	refused(t, err, writ.ReasonApproverUnknown)
	w.says("ann", 1, "search")
	_, err = w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApproverUnknown)
	w.says("ann", 2, "checkout")
	after, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if after.State != writ.PlanGranted {
		t.Errorf("%s %s", after.State, after.Detail)
	}
}

func TestPitfall23AnApproverWhoLeftTheTeamBetweenAnswerAndRunNoLongerCounts(t *testing.T) {
	w := newWorld(t, twoOwners(t), mapping)
	w.says("ann", 1, "checkout")
	w.says("bob", 1, "checkout")
	s := w.waiting()
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	w.says("ann", 2)
	after, err := w.approve(s.ID, "bob", "owner")
	must(t, err)
	if after.State != writ.PlanWaiting {
		t.Errorf("%s: the answer of somebody who left was counted", after.State)
	}
}

func TestTheClaimsOfAnIssuerGiveNoPlaceOnTheRoster(t *testing.T) {
	w := newWorld(t, mapping)
	w.says("carl", 1, "checkout") // the roster counts him to another team
	s := w.waiting()
	_, err := w.approve(s.ID, "carl", "owner")
	refused(t, err, writ.ReasonApproverUnknown)
}

func TestAnOlderTokenDoesNotGiveATeamBack(t *testing.T) {
	w := newWorld(t, mapping)
	w.says("ann", 1, "checkout")
	w.says("ann", 3)
	w.says("ann", 2, "checkout")
	_, err := w.approve(w.waiting().ID, "ann", "owner")
	refused(t, err, writ.ReasonApproverUnknown)
}

func TestTeamsStandInTheLedgerWhenTheyChangeAndOnlyThen(t *testing.T) {
	w := newWorld(t, mapping)
	w.says("ann", 1, "checkout")
	w.says("ann", 2, "checkout")
	w.says("ann", 3, "checkout", "search")
	var got [][]string
	for _, e := range w.entries() {
		if b, ok := e.Body.(*writ.TeamsBody); ok {
			got = append(got, b.Teams)
		}
	}
	if len(got) != 2 || !slices.Equal(got[1], []string{"checkout", "search"}) {
		t.Errorf("%v", got)
	}
}

func TestATeamOfTheIssuersGivesItsAgentsPower(t *testing.T) {
	w := newWorld(t, mapping)
	agent := writ.Agent{Name: "new", Iss: idp, Sub: "new", Team: "search", Owner: writ.Person{Iss: idp, Sub: "dora"}, Roles: []writ.AgentRole{writ.RoleDiagnose}}
	_, err := w.ctl.AddAgent(w.ctx, human("carl"), agent) // of the roster's team, and not of the issuer's
	refused(t, err, writ.ReasonNotYours)
	w.says("dora", 1, "search") // on no roster
	_, err = w.ctl.AddAgent(w.ctx, human("dora"), agent)
	must(t, err)
}

func TestAnOperatorSeesAndEndsEverybodysSessionsAndNobodyElseDoes(t *testing.T) {
	w := newWorld(t, mapping)
	token := writ.DigestOf([]byte("ann's"))
	s, err := w.ctl.BeginSession(w.ctx, token, human("ann"), "browser")
	must(t, err)
	_, err = w.ctl.Sessions(w.ctx, human("olga"), true)
	refused(t, err, writ.ReasonNotYours)
	w.says("olga", 1, "platform")
	all, err := w.ctl.Sessions(w.ctx, human("olga"), true)
	if err != nil || len(all) != 1 || all[0].ID != s.ID {
		t.Errorf("%v %v", all, err)
	}
	_, err = w.ctl.RevokeSession(w.ctx, human("olga"), s.ID)
	must(t, err)
	if _, err := w.ctl.Session(w.ctx, token); err == nil {
		t.Error("the session is good after its end")
	}
	var login, logout bool
	for _, e := range w.entries() {
		switch b := e.Body.(type) {
		case *writ.LoginBody:
			login = b.Session == s.ID && b.Person.Sub == "ann"
		case *writ.LogoutBody:
			logout = b.Session == s.ID && b.By == human("olga")
		}
	}
	if !login || !logout {
		t.Errorf("the ledger names the login: %t, its end: %t", login, logout)
	}
}
