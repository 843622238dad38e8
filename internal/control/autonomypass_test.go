package control_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

// proposedMove is a control plane where kim has a passkey that bob confirmed, and Writ proposes restart-workload from T2 to
// T1 on shop since an hour.
func proposedMove(t *testing.T) (*world, *softkey.Key) {
	t.Helper()
	w := newWorld(t, approving, quick, anyTimes(t))
	k := newPasskey(t)
	w.hasPasskey("kim", k)
	w.repeat(1, writ.RunUndone)
	w.repeat(3, writ.RunSucceeded)
	if r := w.book(); r.Proposed == nil || r.Proposed.To != writ.T1 || r.Proposed.Needs != 2 {
		t.Fatalf("%+v", r)
	}
	return w, k
}

// moveTo is the wish to move restart-workload on shop, on its record as it stands.
func (w *world) moveTo(to writ.Tier) writ.AutonomyWish {
	w.t.Helper()
	r := w.book()
	return writ.AutonomyWish{Playbook: r.Playbook, Service: r.Service, To: to, Record: r.Digest}
}

// decidesByPasskey begins and ends a decision, as the page's script does.
func (w *world) decidesByPasskey(sub string, k *softkey.Key, wish writ.AutonomyWish) error {
	w.t.Helper()
	ask, err := w.ctl.BeginAutonomy(w.ctx, human(sub), wish)
	if err != nil {
		return err
	}
	return w.sends(sub, ask.Statement, k.Get(w.t, challenge(w.t, ask.Options.Challenge)))
}

func (w *world) sends(sub string, statement []byte, proof *writ.Assertion) error {
	w.t.Helper()
	_, err := w.ctl.DecideAutonomy(w.ctx, human(sub), writ.AutonomyAsk{Statement: statement, Passkey: proof, Reason: "the record says so"})
	return err
}

func TestD10ADecisionByPasskeyIsOnePersonsWordBesideOneByKey(t *testing.T) {
	w, k := proposedMove(t)
	ask, err := w.ctl.BeginAutonomy(w.ctx, human("kim"), w.moveTo(writ.T1))
	must(t, err)
	if o := ask.Options; o.UserVerification != "required" || o.RPID != approveRP || len(o.Allow) != 1 || !bytes.Equal(challenge(t, o.Challenge), approval.AutonomyChallenge(ask.Statement)) {
		t.Errorf("the browser is asked for %+v", o)
	}
	if w.count(writ.EntryAutonomyAnswer) != 0 {
		t.Error("to begin is a decision")
	}
	proof := k.Get(t, challenge(t, ask.Options.Challenge))
	refused(t, w.sends("bob", ask.Statement, proof), writ.ReasonApproverConflict)
	must(t, w.sends("kim", ask.Statement, proof))
	refused(t, w.sends("kim", ask.Statement, proof), writ.ReasonApprovalReplayed)
	refused(t, w.decidesByPasskey("kim", k, w.moveTo(writ.T1)), writ.ReasonApproverConflict) // the same person is one
	if r := w.book(); r.Stands != writ.T2 || len(r.Proposed.Answers) != 1 {
		t.Errorf("after one: %+v", r)
	}
	must(t, w.decide(w.decision("bob", writ.T1), "bob"))
	if r := w.book(); r.Stands != writ.T1 || r.Proposed != nil {
		t.Errorf("after two: %+v", r)
	}
	b := w.bodies(writ.EntryAutonomyAnswer)[0].(*writ.AutonomyAnswerBody)
	if b.Proof != writ.ProofB || b.Passkey == nil || b.Signature != "" || b.Key != approval.Fingerprint(k.COSE) || !bytes.Equal(b.Statement, ask.Statement) {
		t.Errorf("the entry: %+v", b)
	}
	must(t, w.decidesByPasskey("kim", k, w.moveTo(writ.T2))) // one is enough for more care
	if r := w.book(); r.Stands != writ.T2 {
		t.Errorf("after one asked for more care: %+v", r)
	}
}

func TestPitfall20OnlyADecisionThatWasBegunHereLastIsTaken(t *testing.T) {
	w, k := proposedMove(t)
	first, err := w.ctl.BeginAutonomy(w.ctx, human("kim"), w.moveTo(writ.T1))
	must(t, err)
	last, err := w.ctl.BeginAutonomy(w.ctx, human("kim"), w.moveTo(writ.T1))
	must(t, err)
	refused(t, w.sends("kim", first.Statement, k.Get(t, challenge(t, first.Options.Challenge))), writ.ReasonApprovalReplayed)
	own, err := w.decision("kim", writ.T1).Bytes() // made elsewhere
	must(t, err)
	refused(t, w.sends("kim", own, k.Get(t, approval.AutonomyChallenge(own))), writ.ReasonApprovalReplayed)
	for name, challenge := range map[string]func([]byte) []byte{"an answer to a plan": approval.Challenge, "an ask": approval.AskChallenge, "a policy's answer": approval.PolicyChallenge} {
		if err := w.sends("kim", last.Statement, k.Get(t, challenge(last.Statement))); writ.ReasonOf(err) != writ.ReasonApprovalSignature {
			t.Errorf("signed as %s: %v", name, err)
		}
	}
	must(t, w.sends("kim", last.Statement, k.Get(t, challenge(t, last.Options.Challenge))))
}

func TestPitfall23APasskeyThatIsRemovedTakesItsDecisionWithIt(t *testing.T) {
	w, k := proposedMove(t)
	must(t, w.decidesByPasskey("kim", k, w.moveTo(writ.T1)))
	_, err := w.ctl.SetPasskey(w.ctx, human("bob"), writ.PasskeyIDOf(k.ID), writ.PasskeyRemoved, "")
	must(t, err)
	refused(t, w.decidesByPasskey("kim", k, w.moveTo(writ.T1)), writ.ReasonUnknownPasskey)
	must(t, w.decide(w.decision("bob", writ.T1), "bob"))
	if r := w.book(); r.Stands != writ.T2 || r.Proposed == nil || len(r.Proposed.Answers) != 1 || r.Proposed.Answers[0].By.Sub != "bob" {
		t.Fatalf("a removed passkey still counts: %+v", r)
	}
	must(t, w.decide(w.decision("ann", writ.T1), "ann"))
	if r := w.book(); r.Stands != writ.T1 {
		t.Errorf("after two by key: %+v", r)
	}
}

func TestPitfall25APasskeyThatIsNewerThanTheProposalDecidesForMoreCareOnly(t *testing.T) {
	w, _ := proposedMove(t)
	late := newPasskey(t)
	w.hasPasskey("kim", late)
	w.pass(time.Second)
	refused(t, w.decidesByPasskey("kim", late, w.moveTo(writ.T1)), writ.ReasonApproverUnknown)
	must(t, w.decidesByPasskey("kim", late, w.moveTo(writ.T3)))
	if r := w.book(); r.Stands != writ.T3 {
		t.Errorf("%+v", r)
	}
}

func TestNoPasskeyIsAskedForWhatCannotBeDecided(t *testing.T) {
	w, k := proposedMove(t)
	good := w.moveTo(writ.T1)
	for name, c := range map[string]struct {
		by   writ.Principal
		wish func(*writ.AutonomyWish)
		want writ.Reason
	}{
		"an agent":              {repair, func(*writ.AutonomyWish) {}, writ.ReasonKind},
		"nobody of the roster":  {human("eve"), func(*writ.AutonomyWish) {}, writ.ReasonApproverUnknown},
		"another team":          {human("carl"), func(*writ.AutonomyWish) {}, writ.ReasonApproverUnknown},
		"without a passkey":     {human("ann"), func(*writ.AutonomyWish) {}, writ.ReasonUnknownPasskey},
		"another record":        {human("kim"), func(x *writ.AutonomyWish) { x.Record = writ.DigestOf(nil) }, writ.ReasonAutonomyMoved},
		"two tiers":             {human("kim"), func(x *writ.AutonomyWish) { x.To = writ.T4 }, writ.ReasonAutonomyForm},
		"no record there":       {human("kim"), func(x *writ.AutonomyWish) { x.Playbook = "scale-out" }, writ.ReasonNotEarned},
		"an agent that has T1":  {human("kim"), func(x *writ.AutonomyWish) { *x = writ.AutonomyWish{Agent: "repair", To: writ.T1, Record: x.Record} }, writ.ReasonNothingLost},
		"playbook and an agent": {human("kim"), func(x *writ.AutonomyWish) { x.Agent = "repair" }, writ.ReasonNothingLost},
	} {
		x := good
		c.wish(&x)
		if _, err := w.ctl.BeginAutonomy(w.ctx, c.by, x); writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	must(t, w.decidesByPasskey("kim", k, good))
}

func TestR75AnAgentIsRestoredByPasskeyToo(t *testing.T) {
	w := newWorld(t, approving, anyTimes(t))
	k := newPasskey(t)
	w.hasPasskey("kim", k)
	w.repeat(1, writ.RunUndone)
	w.repeat(1, writ.RunUncertain)
	r := w.record("repair")
	if !r.Lost {
		t.Fatalf("%+v", r)
	}
	wish := writ.AutonomyWish{Agent: "repair", To: writ.T1, Record: r.Digest}
	_, err := w.ctl.BeginAutonomy(w.ctx, human("rob"), wish) // who answers for it
	refused(t, err, writ.ReasonApproverConflict)
	late := newPasskey(t)
	w.hasPasskey("kim", late)
	refused(t, w.decidesByPasskey("kim", late, wish), writ.ReasonApproverUnknown) // newer than the loss
	must(t, w.decidesByPasskey("kim", k, wish))
	if r := w.record("repair"); r.Lost || r.Balance != 0 {
		t.Errorf("%+v", r)
	}
}
