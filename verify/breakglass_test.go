package verify_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval/approvaltest"
	"github.com/writ-dev/writ/verify"
)

// The entries of a log with break-glass: the ask stands before the proposal, the use after the grant, the review last.
const glassID = writ.BreakGlassID("bgl_00000000000000000000000001")

var asker = writ.Person{Iss: "https://idp.example", Sub: "u-21"}

// glassLog is the honest log with its plan asked for as break-glass by u-21, approved by u-17 and reviewed by u-17.
type glassLog struct {
	*world
	keys   map[string]*approvaltest.Key
	ask    *item
	use    *item
	review *item
	stmt   writ.BreakGlassStatement
}

func newGlassLog(t testing.TB) *glassLog {
	t.Helper()
	w := newWorld(t)
	l := &glassLog{world: w, keys: map[string]*approvaltest.Key{}}
	for n, name := range []string{"u-21", "u-22", "u-99", "u-22 again", "stranger"} {
		k, err := approvaltest.NewKey(bytes.NewReader(bytes.Repeat([]byte{byte(40 + n)}, 32)), approvaltest.Touched|approvaltest.Verified)
		if err != nil {
			t.Fatal(err)
		}
		l.keys[name] = k
	}
	inc, pln, run := id[writ.IncidentID]("inc", 1), id[writ.PlanID]("pln", 1), id[writ.RunID]("run", 1)
	p := body[writ.ProposalBody](w, proposal)
	p.By, p.BreakGlass = asker.Principal(), glassID
	body[writ.PlanBody](w, planned).Requester = asker.Principal()
	make := func(kind writ.EntryKind, at time.Duration, body any) *item {
		return &item{kind: kind, by: w.control, log: origin, actor: controlPlane, task: inc, at: start.Add(at), nonce: "glass " + string(kind) + " 000000000000", body: body}
	}
	l.stmt = writ.BreakGlassStatement{
		Type: writ.BreakGlassType, Incident: inc, Service: "payments-api", Playbook: p.Playbook, Parameters: digest("parameters"), Asker: asker,
		Nonce: "asknonce00000000000001", NotBefore: start, Expires: start.Add(writ.MaxBreakGlassLife),
	}
	l.ask = make(writ.EntryBreakGlass, 2*time.Second, nil)
	l.ask.before = func(w *world, i *item) { i.body = l.asked("u-21") }
	l.use = make(writ.EntryBreakGlassUse, 9*time.Second, &writ.BreakGlassUseBody{ID: glassID, Plan: pln, PlanDigest: digest("plan"), Run: run, Team: "payments", ReviewDue: start.Add(9*time.Second + writ.ReviewLife)})
	l.review = make(writ.EntryBreakGlassReview, time.Hour, &writ.BreakGlassReviewBody{ID: glassID, By: person.Principal(), Verdict: writ.ReviewJustified, Note: writ.Commit(w.salt, "note", []byte("n"))})
	w.items = append(w.items, l.review)
	w.insert(granted+1, l.use)
	w.insert(proposal, l.ask)
	return l
}

// insert puts an item in and moves what others refer to.
func (w *world) insert(at int, i *item) {
	for _, o := range w.items {
		for n, r := range o.refs {
			if r >= at {
				o.refs[n] = r + 1
			}
		}
	}
	w.items = slices.Insert(w.items, at, i)
}

func (l *glassLog) asked(key string) *writ.BreakGlassBody {
	l.t.Helper()
	b, err := l.stmt.Bytes()
	if err != nil {
		l.t.Fatal(err)
	}
	k := l.keys[key]
	return &writ.BreakGlassBody{
		ID: glassID, Plan: id[writ.PlanID]("pln", 1), Service: "payments-api", Team: "payments", Asker: asker, Playbook: l.stmt.Playbook, Drill: l.stmt.Drill,
		Proof: writ.ProofC, Key: ssh.FingerprintSHA256(k.PublicKey()), Justification: writ.Commit(l.salt, "why", []byte("w")), Statement: b, Signature: l.sign(b, k, "breakglass@writ.dev"),
	}
}

func (l *glassLog) sign(b []byte, k ssh.Signer, namespace string) string {
	l.t.Helper()
	sig, err := sshsig.Sign(bytes.NewReader(b), k, sshsig.HashSHA512, namespace)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(sshsig.Armor(sig))
}

func (l *glassLog) trusted() verify.Trust {
	t := l.trust()
	for _, sub := range []string{"u-21", "u-22"} {
		a := verify.Approver{Iss: asker.Iss, Sub: sub, Groups: []string{"payments"}, Keys: []string{l.keys[sub].Line()}}
		if sub == "u-22" {
			a.Keys = append(a.Keys, l.keys["u-22 again"].Line())
		}
		t.Approvers = append(t.Approvers, a)
	}
	t.Approvers[1].Keys = append(t.Approvers[1].Keys, l.keys["u-99"].Line())
	return t
}

func (l *glassLog) judged() verify.Report {
	l.t.Helper()
	b := l.bundle()
	return judge(l.t, raw(l.t, b), l.trusted(), []byte(b.Checkpoint))
}

func TestABreakGlassIsCheckedFromAskToReview(t *testing.T) {
	if r := newGlassLog(t).judged(); r.Verdict() != verify.OK || len(r.Owed) != 0 {
		t.Fatalf("the honest log:\n%s", r.Text())
	}
	for name, c := range map[string]struct {
		change func(l *glassLog)
		code   string
	}{
		"no ask":                     {func(l *glassLog) { l.drop(l.ask) }, "no_breakglass"},
		"an ask nobody signed":       {func(l *glassLog) { l.ask.before = func(_ *world, i *item) { i.body = l.asked("stranger") } }, "breakglass"},
		"an ask for another service": {func(l *glassLog) { l.stmt.Service = "search" }, "breakglass"},
		"an ask for another incident": {func(l *glassLog) {
			l.stmt.Incident = id[writ.IncidentID]("inc", 2)
		}, "breakglass"},
		"an ask that had expired": {func(l *glassLog) { l.stmt.NotBefore, l.stmt.Expires = start.Add(-time.Minute), start }, "breakglass"},
		"an agent's": {func(l *glassLog) {
			body[writ.ProposalBody](l.world, proposal+1).By = agent
			body[writ.PlanBody](l.world, planned+1).Requester = agent
		}, "breakglass"},
		"another plan":        {func(l *glassLog) { l.use.body.(*writ.BreakGlassUseBody).PlanDigest = digest("other") }, "breakglass"},
		"no use":              {func(l *glassLog) { l.drop(l.use) }, "no_breakglass"},
		"a review that waits": {func(l *glassLog) { l.use.body.(*writ.BreakGlassUseBody).ReviewDue = start.Add(48 * time.Hour) }, "breakglass"},
		"their own review":    {func(l *glassLog) { l.review.body.(*writ.BreakGlassReviewBody).By = asker.Principal() }, "breakglass"},
		"an agent's review":   {func(l *glassLog) { l.review.body.(*writ.BreakGlassReviewBody).By = agent }, "breakglass"},
		"their own approval":  {func(l *glassLog) { l.statement.Approver, l.human = asker, l.keys["u-21"] }, "self_approval"},
		"nobody's approval": {func(l *glassLog) {
			l.items[approved+1].body, l.items[approved+1].before = &writ.FreezeBody{Freeze: id[writ.FreezeID]("frz", 1), Scope: writ.FreezeAll}, nil
			l.items[approved+1].kind, l.items[granted+1].before = writ.EntryFreeze, nil
			body[writ.DecisionBody](l.world, asked+1).Requirements = writ.Requirements{}
		}, "breakglass"},
		"an ask while a review was overdue": {func(l *glassLog) {
			other := *l.use
			other.nonce, other.at = "glass of another 000000000", start.Add(time.Second)
			other.body = &writ.BreakGlassUseBody{ID: "bgl_00000000000000000000000002", Plan: "pln_00000000000000000000000009", PlanDigest: digest("x"), Run: "run_00000000000000000000000009", Team: "payments", ReviewDue: start}
			l.insert(evidence, &other)
		}, "review_overdue"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newGlassLog(t)
			c.change(l)
			r := l.judged()
			if r.Authority.Verdict != verify.Violated || !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == c.code }) {
				t.Errorf("want %s, got\n%s", c.code, r.Text())
			}
		})
	}
}

// drop takes an item out; nothing refers to it.
func (l *glassLog) drop(i *item) {
	at := slices.Index(l.items, i)
	for _, o := range l.items {
		for n, r := range o.refs {
			if r > at {
				o.refs[n] = r - 1
			}
		}
	}
	l.items = slices.Delete(l.items, at, at+1)
}

func TestPitfall35AReviewThatIsOwedStandsInTheReport(t *testing.T) {
	l := newGlassLog(t)
	l.drop(l.review)
	r := l.judged()
	if r.Verdict() != verify.OK || len(r.Owed) != 1 || r.Owed[0].Code != "review_due" || !strings.Contains(r.Text(), "not reviewed") {
		t.Errorf("within the day:\n%s", r.Text())
	}
	l = newGlassLog(t)
	l.drop(l.review)
	l.items = append(l.items, &item{kind: writ.EntryFreeze, by: l.control, log: origin, actor: controlPlane, at: start.Add(25 * time.Hour), nonce: "a day later 00000000000000",
		body: &writ.FreezeBody{Freeze: id[writ.FreezeID]("frz", 1), Scope: writ.FreezeAll}})
	if r := l.judged(); len(r.Owed) != 1 || r.Owed[0].Code != "review_overdue" {
		t.Errorf("a day later:\n%s", r.Text())
	}
}

// offlineLog is a log of a run that was made while the control plane was down.
func offlineLog(t testing.TB, signers ...string) (*glassLog, *writ.OfflineBody) {
	l := newGlassLog(t)
	w := l.world
	pln, run, gnt := id[writ.PlanID]("pln", 1), id[writ.RunID]("run", 1), id[writ.GrantID]("gnt", 1)
	st := writ.OfflineStatement{Type: writ.OfflineType, Runner: runnerID, Plan: pln, Nonce: "offlinenonce0000000001", PlanDigest: digest("plan"), Expires: start.Add(time.Hour)}
	b, err := st.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	off := &writ.OfflineBody{
		ID: glassID, Run: run, Grant: gnt, Plan: pln, PlanDigest: digest("plan"), Runner: runnerID, Service: "payments-api", Environment: "prod",
		Playbook: l.stmt.Playbook, Tier: writ.T2, Objects: []writ.Object{}, Quorum: 2, Trust: digest("trust"), Statement: b,
	}
	for _, name := range signers {
		off.Signatures = append(off.Signatures, l.sign(b, l.keys[name], "breakglass-offline@writ.dev"))
	}
	l.use.body.(*writ.BreakGlassUseBody).Offline = true
	for i := range w.items {
		w.items[i].refs = nil
	}
	first := &item{kind: writ.EntryBreakGlassOffline, by: w.runner, log: origin, actor: runnerID.Principal(), task: l.use.task, at: start.Add(3 * time.Second), nonce: "offline 00000000000000000", body: off}
	keep := []*item{w.items[genesis], w.items[incident], first, l.use}
	for _, i := range w.items {
		switch i.kind {
		case writ.EntryLease, writ.EntryStepIntent, writ.EntryStepEffect, writ.EntryVerify, writ.EntryRevoke, writ.EntryProbe, writ.EntryRun:
			keep = append(keep, i)
		}
	}
	w.items = append(keep, l.review)
	return l, off
}

func TestPitfall36AnOfflineRunIsCheckedAgainstTheAuditorsOwnRoster(t *testing.T) {
	l, _ := offlineLog(t, "u-21", "u-22")
	if r := l.judged(); r.Verdict() != verify.OK || !strings.Contains(r.Text(), "u-21 offline (proof C)") {
		t.Fatalf("the honest log:\n%s", r.Text())
	}
	for name, c := range map[string]struct {
		signers []string
		change  func(l *glassLog, b *writ.OfflineBody)
		code    string
	}{
		"one person":                      {[]string{"u-21"}, nil, "quorum"},
		"one person, and a quorum of one": {[]string{"u-21"}, func(_ *glassLog, b *writ.OfflineBody) { b.Quorum = 1 }, "quorum"},
		"one person with two keys":        {[]string{"u-22", "u-22 again"}, nil, "breakglass"},
		"a stranger":                      {[]string{"u-21", "stranger"}, nil, "breakglass"},
		"another team's":                  {[]string{"u-21", "u-99"}, nil, "breakglass"},
		"another plan":                    {[]string{"u-21", "u-22"}, func(_ *glassLog, b *writ.OfflineBody) { b.PlanDigest = digest("other") }, "breakglass"},
		"another runner's name":           {[]string{"u-21", "u-22"}, func(_ *glassLog, b *writ.OfflineBody) { b.Runner = otherRunner }, "actor"},
		"after its hour": {[]string{"u-21", "u-22"}, func(l *glassLog, _ *writ.OfflineBody) {
			for _, i := range l.items[2:] {
				i.at = i.at.Add(2 * time.Hour)
			}
		}, "breakglass"},
		"twice": {[]string{"u-21", "u-22"}, func(l *glassLog, b *writ.OfflineBody) {
			again := *l.items[2]
			again.nonce = "offline again 0000000000000"
			l.insert(3, &again)
		}, "twice"},
		"no use": {[]string{"u-21", "u-22"}, func(l *glassLog, _ *writ.OfflineBody) { l.drop(l.use) }, "no_breakglass"},
		"a review by who signed it": {[]string{"u-21", "u-22"}, func(l *glassLog, _ *writ.OfflineBody) {
			l.review.body.(*writ.BreakGlassReviewBody).By = writ.Person{Iss: asker.Iss, Sub: "u-22"}.Principal()
		}, "breakglass"},
	} {
		t.Run(name, func(t *testing.T) {
			l, b := offlineLog(t, c.signers...)
			if c.change != nil {
				c.change(l, b)
			}
			r := l.judged()
			if r.Authority.Verdict != verify.Violated || !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == c.code }) {
				t.Errorf("want %s, got\n%s", c.code, r.Text())
			}
		})
	}
}
