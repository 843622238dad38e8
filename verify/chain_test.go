package verify_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/hiddeco/sshsig"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

// body returns an item's body to be changed.
func body[T any](w *world, n int) *T { return w.items[n].body.(*T) }

// drop removes entries from the story before it is sealed.
func (w *world) drop(numbers ...int) {
	gone := map[int]bool{}
	for _, n := range numbers {
		gone[n] = true
	}
	at := map[int]int{}
	var kept []*item
	for n, i := range w.items {
		if !gone[n] {
			at[n] = len(kept)
			kept = append(kept, i)
		}
	}
	for _, i := range kept {
		var refs []int
		for _, r := range i.refs {
			if !gone[r] {
				refs = append(refs, at[r])
			}
		}
		i.refs = refs
	}
	w.items = kept
}

// again repeats an entry at the end, as a fresh one.
func (w *world) again(n int) *item {
	i := *w.items[n]
	i.leaf, i.nonce, i.at = nil, "again"+i.nonce, start.Add(time.Minute)
	w.items = append(w.items, &i)
	return &i
}

// Whoever writes the log may lie: each entry below is well signed, and the story is wrong. Everything is resealed and
// the root is right, so only the story can be found out.
func TestTheStoryIsChecked(t *testing.T) {
	honest := raw(t, newWorld(t).bundle())
	for name, c := range map[string]struct {
		change func(*world)
		code   string
	}{
		"I01 an effect without an intent": {func(w *world) { w.drop(intent) }, "no_intent"},
		"I01 an effect before its intent": {func(w *world) {
			w.items[intent], w.items[effect] = w.items[effect], w.items[intent]
			w.items[intent].refs = nil
		}, "no_intent"},
		"I01 two outcomes of one step":  {func(w *world) { w.again(effect) }, "step_twice"},
		"I01 an undo without an intent": {func(w *world) { w.undo(writ.EntryUndoEffect) }, "no_intent"},
		"I02 the requester approves": {func(w *world) {
			p := person.Principal()
			body[writ.ProposalBody](w, proposal).By = p
			body[writ.PlanBody](w, planned).Requester = p
		}, "self_approval"},
		"I02 an approver of another team":              {func(w *world) { w.answerAs("u-99", 6) }, "approver"},
		"I02 a stranger approves":                      {func(w *world) { w.answerAs("u-1000", 60) }, "approval"},
		"I02 a slot that nobody fills":                 {func(w *world) { w.statement.Slot = "king" }, "approver"},
		"I03 a decision on another version":            {func(w *world) { body[writ.DecisionBody](w, allowed).PlanDigest = digest("other") }, "digest"},
		"I03 an approval of another version":           {func(w *world) { w.statement.PlanDigest = digest("other") }, "digest"},
		"I03 an approval under another policy":         {func(w *world) { w.statement.PolicyDigest = digest("other") }, "approval"},
		"I03 an approval on other evidence":            {func(w *world) { w.statement.EvidenceDigest = digest("other") }, "approval"},
		"I03 an approval for another runner":           {func(w *world) { w.statement.Runner = otherRunner }, "approval"},
		"I03 an approval for another incident":         {func(w *world) { w.statement.Incident = id[writ.IncidentID]("inc", 2) }, "approval"},
		"I03 a grant of another version":               {func(w *world) { body[writ.GrantBody](w, granted).PlanDigest = digest("other") }, "digest"},
		"I03 a grant for another holder":               {func(w *world) { body[writ.GrantBody](w, granted).Holder = "other" }, "grant"},
		"I03 a grant under another policy":             {func(w *world) { body[writ.GrantBody](w, granted).Policy = digest("other") }, "grant"},
		"I03 an intent of another version":             {func(w *world) { body[writ.StepBody](w, intent).PlanDigest = digest("other") }, "digest"},
		"I03 other bytes were sent":                    {func(w *world) { body[writ.EffectBody](w, effect).Sent = writ.Commit(w.salt, "body", []byte("[]")) }, "call"},
		"I03 a plan for another proposal":              {func(w *world) { body[writ.PlanBody](w, planned).ProposalDigest = digest("other") }, "digest"},
		"I03 a plan with another playbook":             {func(w *world) { body[writ.PlanBody](w, planned).Playbook.Version = 6 }, "digest"},
		"a plan that nobody proposed":                  {func(w *world) { w.drop(proposal) }, "no_proposal"},
		"a plan by another runner":                     {func(w *world) { w.items[planned].by, w.items[planned].actor = key(5), otherRunner.Principal() }, "actor"},
		"I05 a grant without a decision":               {func(w *world) { w.drop(allowed) }, "no_decision"},
		"I05 a grant on a denial":                      {func(w *world) { body[writ.DecisionBody](w, allowed).Verdict = writ.Deny }, "decision"},
		"I05 a grant on a condition":                   {func(w *world) { body[writ.DecisionBody](w, allowed).Verdict = writ.Requires }, "decision"},
		"I05 a grant on the plan's first decision":     {func(w *world) { body[writ.DecisionBody](w, allowed).Phase = writ.PhasePlan }, "decision"},
		"I05 a grant on a decision under other policy": {func(w *world) { body[writ.DecisionBody](w, allowed).Policy = digest("other") }, "decision"},
		"I05 a step that nobody decided":               {func(w *world) { w.drop(stepped) }, "no_decision"},
		"I05 a step that was denied":                   {func(w *world) { body[writ.DecisionBody](w, stepped).Verdict = writ.Deny }, "decision"},
		"a grant without the approvals asked for":      {func(w *world) { body[writ.GrantBody](w, granted).Approvals = []writ.Digest{} }, "quorum"},
		"a grant with too few approvals":               {func(w *world) { body[writ.DecisionBody](w, asked).Requirements.Approvals["owner"] = 2 }, "quorum"},
		"a grant with too weak a proof":                {func(w *world) { body[writ.DecisionBody](w, asked).Requirements.Proof = writ.ProofC }, "proof"},
		"a grant that counts an approval not there":    {func(w *world) { body[writ.GrantBody](w, granted).Approvals = []writ.Digest{digest("none")} }, "approval"},
		"a grant after a rejection":                    {func(w *world) { w.statement.Answer = writ.Reject }, "rejected"},
		"an approval that had expired at the grant":    {func(w *world) { w.statement.Expires = start.Add(7500 * time.Millisecond) }, "approval_expired"},
		"an approval after its expiry":                 {func(w *world) { w.statement.Expires = start.Add(5 * time.Second) }, "approval"},
		"an approval used twice":                       {func(w *world) { w.again(approved) }, "approval_replayed"},
		"a signature over something else": {func(w *world) {
			w.meddle(func(a *writ.ApprovalBody) {
				a.Statement = bytes.Replace(a.Statement, []byte("00000001"), []byte("00000002"), 1)
			})
		}, "approval"},
		"an entry that contradicts its statement": {func(w *world) { w.meddle(func(a *writ.ApprovalBody) { a.Slot = "oncall" }) }, "approval"},
		"an entry that claims a stronger proof":   {func(w *world) { w.meddle(func(a *writ.ApprovalBody) { a.Proof = writ.ProofA }) }, "approval"},
		"a signature for another purpose":         {func(w *world) { w.meddle(func(a *writ.ApprovalBody) { a.Signature = w.signFor("file", a.Statement) }) }, "approval"},
		"I13 one plan granted twice": {func(w *world) {
			g := w.again(granted)
			b := *body[writ.GrantBody](w, granted)
			b.Grant, b.Run = id[writ.GrantID]("gnt", 2), id[writ.RunID]("run", 2)
			g.body, g.before = &b, w.items[granted].before
		}, "plan_granted_twice"},
		"I13 one run granted twice": {func(w *world) {
			g := w.again(granted)
			b := *body[writ.GrantBody](w, granted)
			b.Grant = id[writ.GrantID]("gnt", 2)
			g.body = &b
		}, "run_granted_twice"},
		"I13 one grant issued twice": {func(w *world) { w.again(granted) }, "grant_twice"},
		"I13 a step begun twice":     {func(w *world) { w.again(intent) }, "step_twice"},
		"I13 a run that ends twice":  {func(w *world) { w.again(ended) }, "run_twice"},
		"I13 a step after the end": {func(w *world) {
			i := w.again(intent)
			b := *body[writ.StepBody](w, intent)
			b.Step = "pln_1.2"
			i.body = &b
		}, "after_end"},
		"I13 a step under another grant": {func(w *world) { body[writ.StepBody](w, intent).Grant = id[writ.GrantID]("gnt", 2) }, "digest"},
		"a run that nobody granted":      {func(w *world) { w.drop(granted) }, "no_grant"},
		"a run on another runner than granted": {func(w *world) {
			for _, n := range []int{leased, intent, effect, verified, revoked, probed, ended} {
				w.items[n].by, w.items[n].actor = key(5), otherRunner.Principal()
			}
		}, "actor"},
		"a grant after the plan's window": {func(w *world) { body[writ.PlanBody](w, planned).NotAfter = start.Add(time.Second) }, "grant_late"},
		"a grant that lives too long":     {func(w *world) { body[writ.GrantBody](w, granted).Expires = start.Add(time.Hour) }, "grant"},
		"a grant after the plan had ended": {func(w *world) {
			w.items[asked].kind, w.items[asked].body = writ.EntryPlanEnd, &writ.PlanEndBody{Plan: id[writ.PlanID]("pln", 1), State: writ.PlanWithdrawn, Reason: writ.ReasonWithdrawn}
		}, "grant_late"},
		"a run that miscounts":           {func(w *world) { body[writ.RunBody](w, ended).Applied = 0 }, "count"},
		"a run that ends in the middle":  {func(w *world) { body[writ.RunBody](w, ended).State = writ.RunRunning }, "run"},
		"I06 a credential never revoked": {func(w *world) { w.drop(revoked) }, "open_lease"},
		"I06 a credential never probed":  {func(w *world) { w.drop(probed) }, "open_lease"},
		"I06 a credential that still has its identity": {func(w *world) {
			body[writ.ProbeBody](w, probed).IdentityGone = false
			w.items[ended].at = start.Add(5 * time.Minute)
		}, "open_lease"},
		"I06 a credential that still has its power": {func(w *world) { body[writ.ProbeBody](w, probed).PowerGone = false }, "open_lease"},
		"I06 a step applied under a credential that never was": {func(w *world) {
			p := body[writ.ProbeBody](w, probed)
			p.NeverMinted, p.PowerStatus, p.IdentityStatus = true, 0, 0
		}, "lease"},
		"I06 a credential that never was and answered": {func(w *world) { body[writ.ProbeBody](w, probed).NeverMinted = true }, "lease"},
		"I06 a revocation that failed":                 {func(w *world) { body[writ.RevokeBody](w, revoked).Done = false }, "open_lease"},
		"I06 a credential that nobody announced":       {func(w *world) { w.drop(leased) }, "no_lease"},
		"a credential above its plan's tier":           {func(w *world) { body[writ.LeaseBody](w, leased).Tier = writ.T3 }, "lease"},
		"a reference forward":                          {func(w *world) { w.items[evidence].extra = []writ.Ref{{Rel: "cause", Leaf: digest("later")}} }, "ref"},
		"a record of another log":                      {func(w *world) { w.items[evidence].log = "ledger.example/test" }, "wrong_log"},
		"a genesis in the middle":                      {func(w *world) { w.again(genesis) }, "genesis"},
		"a genesis of another log":                     {func(w *world) { body[writ.GenesisBody](w, genesis).Origin = "ledger.example/test" }, "wrong_log"},
		"a nonce used twice":                           {func(w *world) { w.items[revoked].nonce = w.items[leased].nonce }, "replayed"},
		"I17 a clock that was set back":                {func(w *world) { w.items[ended].at = start.Add(-time.Minute) }, "clock"},
		"a plan proposed twice":                        {func(w *world) { w.again(proposal) }, "twice"},
		"a plan without an incident":                   {func(w *world) { w.drop(incident) }, "no_incident"},
		"a grant below what it rests on": {func(w *world) {
			body[writ.DecisionBody](w, allowed).Requirements.Approvals = map[string]int{"owner": 2}
		}, "quorum"},
		"an undo of a step never begun": {func(w *world) {
			w.undo(writ.EntryUndoIntent)
			b := *body[writ.StepBody](w, intent)
			b.Step = "pln_1.9"
			w.items[length].body = &b
		}, "undo_nothing"},
		"an undo begun twice":            {func(w *world) { w.undo(writ.EntryUndoIntent); w.again(length).nonce += "x" }, "step_twice"},
		"an undo with two outcomes":      {func(w *world) { w.undo(writ.EntryUndoIntent, writ.EntryUndoEffect); w.again(length + 1).nonce += "x" }, "step_twice"},
		"an end under another grant":     {func(w *world) { body[writ.RunBody](w, ended).Grant = id[writ.GrantID]("gnt", 2) }, "digest"},
		"an end of another version":      {func(w *world) { body[writ.RunBody](w, ended).PlanDigest = digest("other") }, "digest"},
		"I06 a credential minted twice":  {func(w *world) { w.again(leased) }, "twice"},
		"I06 another run's credential":   {func(w *world) { body[writ.RevokeBody](w, revoked).Run = id[writ.RunID]("run", 2) }, "lease"},
		"I02 one person fills two slots": {func(w *world) { w.secondSlot() }, "approver"},
		"an approval without a touch":    {func(w *world) { w.human = &hardware{w.t, 0} }, "approval"},
		"an approval with a touch only": {func(w *world) {
			w.human = &hardware{w.t, 1}
			body[writ.DecisionBody](w, asked).Requirements.Proof = writ.ProofC
		}, "proof"},
		"a decision taken twice": {func(w *world) { w.again(allowed) }, "twice"},
		"a plan made twice":      {func(w *world) { w.again(planned) }, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			b := w.bundle()
			wantFinding(t, honest, raw(t, b), w.trust(), c.code, []byte(b.Checkpoint))
		})
	}
}

// TestI06ACredentialThatIsBeingProvenDeadIsOpen: a target remembers an identity for some seconds, and a log that ends
// within them is neither clean nor wrong.
func TestI06ACredentialThatIsBeingProvenDeadIsOpen(t *testing.T) {
	w := newWorld(t)
	body[writ.ProbeBody](w, probed).IdentityGone = false
	b := w.bundle()
	r, err := verify.Bundle(bytes.NewReader(raw(t, b)), w.trust(), []byte(b.Checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 0 || len(r.Open) != 1 || r.Open[0].Code != "open_lease" || r.Verdict() != verify.CannotTell {
		t.Errorf("findings %v, open %v, verdict %s", r.Findings, r.Open, r.Verdict())
	}
}

// answerAs has somebody else sign the approval.
func (w *world) answerAs(sub string, k byte) {
	w.statement.Approver.Sub = sub
	s, err := ssh.NewSignerFromKey(key(k))
	if err != nil {
		w.t.Fatal(err)
	}
	w.human = s
}

// meddle alters the approval's entry after it was signed.
func (w *world) meddle(change func(*writ.ApprovalBody)) {
	w.items[approved].before = func(w *world, i *item) {
		b := w.approvalBody()
		change(b)
		i.body = b
	}
}

func (w *world) signFor(namespace string, statement []byte) string {
	sig, err := sshsig.Sign(bytes.NewReader(statement), w.human, sshsig.HashSHA512, namespace)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(sshsig.Armor(sig))
}

// undo adds entries of an undo at the end.
func (w *world) undo(kinds ...writ.EntryKind) {
	for _, kind := range kinds {
		i := w.again(effect)
		i.kind, i.nonce = kind, i.nonce+string(kind)
		i.body = &writ.UndoEffectBody{Run: id[writ.RunID]("run", 1), Step: body[writ.StepBody](w, intent).Step, Effect: writ.Applied, Restored: true}
		if kind == writ.EntryUndoIntent {
			i.body = body[writ.StepBody](w, intent)
		}
	}
}

func TestI16AnUndoIsPartOfTheStory(t *testing.T) {
	w := newWorld(t)
	body[writ.RunBody](w, ended).State = writ.RunUndone
	w.undo(writ.EntryUndoIntent, writ.EntryUndoEffect)
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Verdict() != verify.OK || r.Plans[0].Steps[0].Undo != "restored" {
		t.Errorf("%s", r.Text())
	}
}

func TestTheAuditorsOwnSlotsCountMoreThanTheLogs(t *testing.T) {
	w := newWorld(t)
	b := w.bundle()
	trust := w.trust()
	trust.Services = []verify.Service{{Name: "payments-api", Slots: map[string]string{"owner": "search"}}}
	if r := judge(t, raw(t, b), trust, []byte(b.Checkpoint)); r.Authority.Verdict != verify.Violated {
		t.Errorf("%s", r.Text())
	}
	trust.Services[0].Slots["owner"] = "payments"
	if r := judge(t, raw(t, b), trust, []byte(b.Checkpoint)); r.Verdict() != verify.OK {
		t.Errorf("%s", r.Text())
	}
}

func TestI20NothingUnprintableComesOut(t *testing.T) {
	w := newWorld(t)
	body[writ.EffectBody](w, effect).Step = "evil\x1b[31m\u202e"
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if text := r.Text(); strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, `evil\u{1b}`) {
		t.Errorf("%q", text)
	}
}

func TestATrustFileIsReadStrictly(t *testing.T) {
	w := newWorld(t)
	good, err := json.MarshalIndent(w.trust(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got, err := verify.ParseTrust(good)
	if err != nil {
		t.Fatal(err)
	}
	b := w.bundle()
	if r := judge(t, raw(t, b), got, []byte(b.Checkpoint)); r.Verdict() != verify.OK {
		t.Errorf("%s", r.Text())
	}
	for name, in := range map[string]string{
		"an unknown member": strings.Replace(string(good), `"v": 1`, `"v": 1, "quorum": 0`, 1),
		"a case variant":    strings.Replace(string(good), `"roles"`, `"Roles"`, 1),
		"a member twice":    strings.Replace(string(good), `"v": 1`, `"v": 1, "v": 1`, 1),
	} {
		if _, err := verify.ParseTrust([]byte(in)); err == nil || in == string(good) {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzBundle(f *testing.F) {
	w := newWorld(f)
	b := w.bundle()
	honest := raw(f, b)
	f.Add(honest)
	f.Add(raw(f, partialBundle(f, w, granted, intent)))
	f.Add([]byte(`{"v":1,"origin":"x","checkpoint":"","entries":[]}`))
	trust, pin := w.trust(), []byte(b.Checkpoint)
	want := b
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := verify.Bundle(bytes.NewReader(in), trust, pin)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Text()
		if r.Verdict() != verify.OK {
			return
		}
		got, err := ledger.ParseBundle(in)
		if err != nil || !bytes.Equal(raw(t, ledger.Bundle{V: 1, Origin: want.Origin, Checkpoint: want.Checkpoint, Entries: got.Entries}), honest) {
			t.Fatalf("another bundle than the honest one is well: %q", in)
		}
	})
}

func BenchmarkBundle(b *testing.B) {
	w := newWorld(b)
	bundle := raw(b, w.bundle())
	trust := w.trust()
	b.SetBytes(int64(len(bundle)))
	for b.Loop() {
		if r, err := verify.Bundle(bytes.NewReader(bundle), trust); err != nil || r.Altered.Verdict != verify.OK {
			b.Fatal(err)
		}
	}
}

// A lease that was announced and never minted is dead as soon as nothing is found under its name.
func TestI06ALeaseThatNeverWasNeedsNoAnswerOfTheTarget(t *testing.T) {
	w := newWorld(t)
	p := body[writ.ProbeBody](w, probed)
	p.NeverMinted, p.PowerStatus, p.IdentityStatus = true, 0, 0
	e := body[writ.EffectBody](w, effect)
	e.Effect, e.Status, e.Sent = writ.NotApplied, 0, writ.Commitment{}
	end := body[writ.RunBody](w, ended)
	end.State, end.Applied = writ.RunFailed, 0
	b := w.bundle()
	r, err := verify.Bundle(bytes.NewReader(raw(t, b)), w.trust(), []byte(b.Checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 0 || len(r.Open) != 0 {
		t.Errorf("findings %v, open %v", r.Findings, r.Open)
	}
}
