package runner_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/token"
)

// approve signs a plan as a person on the roster.
func (w *world) approve(p writ.Plan, who string, change ...func(*writ.ApprovalStatement)) writ.Approval {
	w.t.Helper()
	b, err := p.Bytes()
	must(w.t, err)
	nonce, err := ident.Nonce(rand.Reader)
	must(w.t, err)
	s, err := approval.New(p, writ.DigestOf(b), approval.Ask{
		Answer: writ.Approve, Person: writ.Person{Iss: "https://idp.test", Sub: who}, Slot: "owner", Now: time.Now(), Life: 30 * time.Minute, Nonce: nonce,
	})
	must(w.t, err)
	for _, f := range change {
		f(&s)
	}
	statement, err := s.Bytes()
	must(w.t, err)
	sig, err := approval.Sign(statement, w.people[who], rand.Reader)
	must(w.t, err)
	return writ.Approval{ID: newID[writ.ApprovalID](w, "apr"), Statement: statement, Signature: sig, Proof: writ.ProofD, At: writ.Instant(time.Now())}
}

// issued is a grant on its way to the runner, with everything a test may want to change first.
type issued struct {
	plan      writ.Plan
	bytes     []byte
	approvals []writ.Approval
	claims    writ.GrantClaims
	run       writ.RunID
	signer    *keys
	bundle    func(*assignment.Bundle)
	body      func(*writ.GrantBody)
	compact   string // the token; made by send
	unlogged  bool   // the entry is not in the ledger
}

// grant prepares a genuine grant for a plan.
func (w *world) grant(p writ.Plan, approvals ...writ.Approval) *issued {
	w.t.Helper()
	b, err := p.Bytes()
	must(w.t, err)
	digest := writ.DigestOf(b)
	c, err := grant.Mint(grant.Input{
		ID: newID[writ.GrantID](w, "gnt"), Issuer: controlSelf.Iss, Plan: p, PlanDigest: digest, Approvals: approvals,
		Decision: writ.Decision{ID: newID[writ.DecisionID](w, "dec"), Plan: p.ID, PlanDigest: digest, Phase: writ.PhaseGrant, Verdict: writ.Allow, Reason: writ.ReasonAllowed, Policy: p.Policy, Tier: p.Tier},
		Now:      time.Now(), Life: 5 * time.Minute, Mode: writ.ModeHandle,
	})
	must(w.t, err)
	return &issued{plan: p, bytes: b, approvals: approvals, claims: c, run: newID[writ.RunID](w, "run")}
}

// send signs the grant, writes its entry and hands the bundle out. It returns the assignment's id.
func (w *world) send(g *issued) writ.AssignmentID {
	w.t.Helper()
	b, at := w.pack(g)
	return w.give(assignment.Assignment{Kind: assignment.KindRun, Run: &b}, at)
}

// pack signs the grant, writes its entry, and returns the bundle and where the entry stands.
func (w *world) pack(g *issued) (assignment.Bundle, int64) {
	w.t.Helper()
	k := &w.control.keys
	if g.signer != nil {
		k = g.signer
	}
	if g.compact == "" {
		var err error
		g.compact, err = token.Sign(k.grant, token.KeyID(&k.grant.PublicKey), grant.Type, g.claims)
		must(w.t, err)
	}
	body := writ.GrantBody{
		Grant: g.claims.ID, Run: g.run, Plan: g.claims.AuthorizationDetails[0].Plan, PlanDigest: g.claims.AuthorizationDetails[0].PlanDigest,
		Runner: g.claims.Audience, Holder: g.claims.Confirm.Thumbprint, Decision: g.claims.Writ.Decision, Approvals: g.claims.Writ.Approvals,
		Policy: g.claims.Writ.Policy, Expires: time.Unix(g.claims.Expires, 0).UTC(), Tier: g.claims.Writ.Tier, Duties: g.claims.Writ.Duties, TokenDigest: writ.DigestOf([]byte(g.compact)),
	}
	if g.body != nil {
		g.body(&body)
	}
	w.control.mu.Lock()
	at, leaf := w.control.author(writ.EntryGrant, g.plan.Incident, body)
	if g.unlogged {
		_, leaf = w.control.author(writ.EntryGrant, g.plan.Incident, body) // the receipt stays that of the first
	}
	w.control.mu.Unlock()
	b := assignment.Bundle{Run: g.run, Grant: g.compact, Plan: g.bytes, Approvals: g.approvals, GrantLeaf: leaf}
	if g.bundle != nil {
		g.bundle(&b)
	}
	return b, at
}

// execute sends the grant, waits for the end and returns it as the ledger has it.
func (w *world) execute(g *issued) writ.RunBody {
	w.t.Helper()
	w.await(w.send(g))
	return w.ended(g.run)
}

// ended returns the run's last entry, zero if there is none.
func (w *world) ended(id writ.RunID) writ.RunBody {
	w.control.mu.Lock()
	n := len(w.control.leaves)
	w.control.mu.Unlock()
	if n == w.looked { // nothing new since nothing was found
		return writ.RunBody{}
	}
	for _, e := range w.control.entries() {
		if b, ok := e.Body.(*writ.RunBody); ok && b.Run == id {
			return *b
		}
	}
	w.looked = n
	return writ.RunBody{}
}

// kinds lists the runner's entries, shortened: what happened, in order.
func (w *world) kinds() string {
	var out []string
	for _, e := range w.control.entries() {
		if e.Record.Actor.Kind != writ.KindRunner {
			continue
		}
		s := string(e.Record.Kind)
		switch b := e.Body.(type) {
		case *writ.EffectBody:
			s += "=" + b.Effect.String()
		case *writ.UndoEffectBody:
			s += "=" + b.Effect.String()
		case *writ.RunBody:
			s += "=" + string(b.State)
		case *writ.ProbeBody:
			s += fmt.Sprintf("=%t,%t", b.PowerGone, b.IdentityGone)
		case *writ.VerifyBody:
			s += fmt.Sprintf("=%t", b.Holds)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// allDead fails unless no credential is left and the journal agrees, within the time an identity takes to die.
func (w *world) allDead() {
	w.t.Helper()
	w.until("every lease to be proven dead", func() bool {
		alive, err := w.journal.Alive(context.Background())
		must(w.t, err)
		return len(alive) == 0
	})
	if left := w.target.alive(); len(left) > 0 {
		w.t.Errorf("credentials left alive: %v", left)
	}
}
