package approval_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

func TestTwoPeopleAreCountedInTheirSlots(t *testing.T) {
	w := newWorld(t)
	tally, err := approval.Count(w.Question, []writ.Approval{w.approves(t, alice, "owner"), w.approves(t, bob, "oncall")})
	must(t, err)
	if tally.People != 2 || tally.ByGroup["owner"] != 1 || tally.ByGroup["oncall"] != 1 || tally.Proof != writ.ProofD || len(tally.Votes) != 2 {
		t.Errorf("%+v", tally)
	}
	if !tally.Expires.Equal(now.Add(15 * time.Minute)) {
		t.Errorf("expires %s", tally.Expires)
	}
	must(t, tally.Meets(writ.Requirements{Approvals: map[string]int{"owner": 1, "oncall": 1}, Proof: writ.ProofD}))
}

// One human, one slot, whatever the number of accounts, keys and groups.
func TestI02OneHumanFillsOneSlot(t *testing.T) {
	for name, second := range map[string]func(*testing.T, *world) writ.Approval{
		"in the same slot": func(t *testing.T, w *world) writ.Approval { return w.approves(t, bob, "owner") },
		"in two slots":     func(t *testing.T, w *world) writ.Approval { return w.approves(t, bob, "oncall") },
		"with a second key": func(t *testing.T, w *world) writ.Approval {
			key := plain(t)
			w.Roster[1].Keys = append(w.Roster[1].Keys, line(key))
			w.keys[bob] = key
			return w.approves(t, bob, "owner")
		},
		"with a second account": func(t *testing.T, w *world) writ.Approval {
			p := writ.Person{Iss: "https://github.example.com", Sub: "bob"}
			w.Roster[1].Accounts = []writ.Person{p}
			w.keys[p] = w.keys[bob]
			return w.approves(t, p, "owner")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.approves(t, bob, "owner")
			as := []writ.Approval{first, second(t, w)}
			must(t, w.Roster.Check())
			_, err := approval.Count(w.Question, as)
			wantReason(t, err, writ.ReasonApproverConflict)
			usable, dropped := approval.Usable(w.Question, as)
			tally, err := approval.Count(w.Question, usable)
			if err != nil || tally.People != 1 || len(dropped) != 1 {
				t.Errorf("%+v %v, dropped %v", tally, err, dropped)
			}
		})
	}
}

func TestAStatementCountsOnce(t *testing.T) {
	w := newWorld(t)
	a := ask(t, alice, "owner")
	b := ask(t, bob, "owner")
	b.Nonce = a.Nonce
	for name, as := range map[string][]writ.Approval{
		"the same bytes twice":    {w.signed(t, a), w.signed(t, a)},
		"one nonce of two people": {w.signed(t, a), w.signed(t, b)},
	} {
		if _, err := approval.Count(w.Question, as); writ.ReasonOf(err) != writ.ReasonApprovalReplayed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestI02AnApproverWhoLeftTheRosterNoLongerCounts(t *testing.T) {
	w := newWorld(t)
	as := []writ.Approval{w.approves(t, alice, "owner"), w.approves(t, bob, "owner")}
	w.Roster = w.Roster[1:]
	_, err := approval.Count(w.Question, as)
	wantReason(t, err, writ.ReasonApproverUnknown)
	usable, dropped := approval.Usable(w.Question, as)
	tally, err := approval.Count(w.Question, usable)
	if err != nil || tally.People != 1 || len(dropped) != 1 || writ.ReasonOf(dropped[0]) != writ.ReasonApproverUnknown {
		t.Errorf("%+v %v, dropped %v", tally, err, dropped)
	}
	wantReason(t, tally.Meets(writ.Requirements{Approvals: map[string]int{"owner": 2}}), writ.ReasonApprovalQuorum)
}

func TestAnExpiredApprovalDoesNotCount(t *testing.T) {
	w := newWorld(t)
	late := ask(t, bob, "owner")
	late.Life = time.Hour
	as := []writ.Approval{w.approves(t, alice, "owner"), w.signed(t, late)}
	w.Now = now.Add(15 * time.Minute)
	_, err := approval.Count(w.Question, as)
	wantReason(t, err, writ.ReasonApprovalExpired)
	usable, _ := approval.Usable(w.Question, as)
	if tally, err := approval.Count(w.Question, usable); err != nil || tally.People != 1 {
		t.Errorf("%+v %v", tally, err)
	}
}

func TestANoIsNeverLeftOut(t *testing.T) {
	w := newWorld(t)
	no := ask(t, bob, "owner")
	no.Answer = writ.Reject
	as := []writ.Approval{w.approves(t, alice, "owner"), w.signed(t, no)}
	_, err := approval.Count(w.Question, as)
	wantReason(t, err, writ.ReasonRejected)
	usable, _ := approval.Usable(w.Question, as)
	_, err = approval.Count(w.Question, usable)
	wantReason(t, err, writ.ReasonRejected)
	v, err := w.Judge(as[1])
	if err != nil || v.Statement.Answer != writ.Reject || v.Person != bob {
		t.Errorf("a rejection is an answer: %+v %v", v, err)
	}
}

func TestI05RequirementsAreMetInEveryGroupAndByEveryProof(t *testing.T) {
	w := newWorld(t)
	strong := writ.Person{Iss: alice.Iss, Sub: "u-60"}
	w.enrol(t, strong, hardware(t, 0x05), "payments")
	both, err := approval.Count(w.Question, []writ.Approval{w.approves(t, alice, "owner"), w.approves(t, strong, "owner")})
	must(t, err)
	one, err := approval.Count(w.Question, []writ.Approval{w.approves(t, strong, "owner")})
	must(t, err)
	for name, c := range map[string]struct {
		tally approval.Tally
		need  writ.Requirements
		want  writ.Reason
	}{
		"nothing is needed":           {approval.Tally{}, writ.Requirements{}, ""},
		"nobody answered":             {approval.Tally{}, writ.Requirements{Approvals: map[string]int{"owner": 1}}, writ.ReasonApprovalQuorum},
		"nobody answered, proof only": {approval.Tally{}, writ.Requirements{Proof: writ.ProofD}, writ.ReasonApprovalProof},
		"enough":                      {one, writ.Requirements{Approvals: map[string]int{"owner": 1}, Proof: writ.ProofC}, ""},
		"one too few":                 {one, writ.Requirements{Approvals: map[string]int{"owner": 2}}, writ.ReasonApprovalQuorum},
		"a group without anybody":     {both, writ.Requirements{Approvals: map[string]int{"owner": 2, "oncall": 1}}, writ.ReasonApprovalQuorum},
		"the weakest proof counts":    {both, writ.Requirements{Approvals: map[string]int{"owner": 2}, Proof: writ.ProofC}, writ.ReasonApprovalProof},
		"an unknown level":            {one, writ.Requirements{Proof: "Z"}, writ.ReasonApprovalProof},
	} {
		if got := writ.ReasonOf(c.tally.Meets(c.need)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestATallyIsAsWeakAndAsShortLivedAsItsWeakestAndShortest(t *testing.T) {
	w := newWorld(t)
	strong := writ.Person{Iss: alice.Iss, Sub: "u-60"}
	w.enrol(t, strong, hardware(t, 0x05), "payments")
	long := ask(t, strong, "owner")
	long.Life = time.Hour
	a, b := w.approves(t, alice, "owner"), w.signed(t, long)
	for _, as := range [][]writ.Approval{{a, b}, {b, a}} {
		tally, err := approval.Count(w.Question, as)
		must(t, err)
		if tally.Proof != writ.ProofD || !tally.Expires.Equal(now.Add(15*time.Minute)) {
			t.Errorf("%s until %s", tally.Proof, tally.Expires)
		}
	}
}

func TestTheStrongerOfTwoAnswersOfOnePersonIsKept(t *testing.T) {
	w := newWorld(t)
	weak := w.approves(t, alice, "owner")
	key := hardware(t, 0x05)
	w.Roster[0].Keys = append(w.Roster[0].Keys, line(key))
	w.keys[alice] = key
	strong := w.approves(t, alice, "owner")
	for _, as := range [][]writ.Approval{{weak, strong}, {strong, weak}} {
		usable, _ := approval.Usable(w.Question, as)
		if tally, err := approval.Count(w.Question, usable); err != nil || tally.Proof != writ.ProofC {
			t.Errorf("%+v %v", tally, err)
		}
	}
}
