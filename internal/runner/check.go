package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/runner/journal"
	"github.com/writ-dev/writ/internal/token"
)

// A judgement is one bundle being judged. Each check may rely on those before it.
type judgement struct {
	r    *Runner
	in   assignment.Assignment
	b    assignment.Bundle
	seen ledger.Head // the head that the bundle was asked for with

	trust    trusted
	trustErr error
	plan     *writ.Plan // the delivered one; nil when it does not parse
	planErr  error
	digest   writ.Digest  // of the delivered bytes
	kept     journal.Plan // this runner's own copy; its ID is empty when it made no such plan
	own      *writ.Plan
	conn     connector.Connector
	claims   *writ.GrantClaims // nil until the grant is believed
	proved   bool              // the grant's entry is in the ledger
	tally    approval.Tally
	at       string // the check that ran last
}

// A check refuses the bundle or lets it pass. Errors that are not refusals mean that the runner itself cannot judge.
type check struct {
	name string
	run  func(*judgement, context.Context) error
}

// checks is the runner's verification order (docs/spec/runner.md). The first failure ends the judgement. Passing the
// last one has spent the grant.
var checks = []check{
	{"frozen", (*judgement).checkFrozen},
	{"ceiling", (*judgement).checkTrust},
	{"grant", (*judgement).checkGrant},
	{"revoked", (*judgement).checkRevoked},
	{"ledger", (*judgement).checkLedger},
	{"plan", (*judgement).checkPlan},
	{"match", (*judgement).checkMatch},
	{"window", (*judgement).checkWindow},
	{"playbook", (*judgement).checkPlaybook},
	{"tier", (*judgement).checkTier},
	{"presenter", (*judgement).checkPresenter},
	{"approvals", (*judgement).checkApprovals},
	{"limits", (*judgement).checkCeiling},
	{"debt", (*judgement).checkDebt},
	{"spent", (*judgement).spend},
}

// judge runs the checks and returns the spent run.
func (r *Runner) judge(ctx context.Context, j *judgement) error {
	if err := j.prepare(ctx); err != nil {
		return err
	}
	for _, c := range checks {
		j.at = c.name
		if err := c.run(j, ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare loads what the checks compare with. What is missing or malformed is refused in its turn, not here.
func (j *judgement) prepare(ctx context.Context) error {
	j.trust, j.trustErr = j.r.loadTrust(ctx)
	if j.trustErr != nil && writ.ReasonOf(j.trustErr) == "" {
		return j.trustErr
	}
	p, digest, err := writ.ParsePlan(j.b.Plan)
	if err != nil {
		j.planErr = err
		return nil
	}
	j.plan, j.digest = &p, digest
	kept, err := j.r.Journal.Plan(ctx, p.ID)
	if isNot(err, writ.ErrNotFound) {
		return err
	}
	if err != nil {
		return nil
	}
	own, _, err := writ.ParsePlan(kept.Bytes)
	if err != nil {
		return fmt.Errorf("%w: plan %s: %v", journal.ErrDamaged, p.ID, err)
	}
	j.kept, j.own = kept, &own
	return nil
}

// checkFrozen: the runner is not stopping, and a fresh feed, newer than all seen, freezes nothing that covers the
// plan. Without a trust file there is no key for the feed; the next check then refuses.
func (j *judgement) checkFrozen(ctx context.Context) error {
	select {
	case <-j.r.stopping:
		return &writ.Refusal{Code: writ.ReasonFrozen, Detail: "the runner is stopping", Kind: writ.ErrFrozen}
	default:
	}
	if j.trustErr != nil {
		return nil
	}
	if err := j.r.takeFeed(ctx, j.in.Feed, j.trust); err != nil {
		return err
	}
	f := j.r.newestFeed()
	tier := writ.T0 // of a plan that is not known here
	if j.own != nil {
		tier = j.own.Tier // the tier in force is known, and checked, once the grant is: checkTier
	}
	if err := j.r.Limits.fresh(f, tier, j.r.Now()); err != nil {
		return err
	}
	return f.frozen(j.own)
}

// checkTrust: a trust file signed by enough owners, for this runner, not expired and not rolled back.
func (j *judgement) checkTrust(context.Context) error { return j.trustErr }

// checkGrant: a grant by the pinned issuer for this runner, now.
func (j *judgement) checkGrant(context.Context) error {
	c, err := grant.Check(j.b.Grant, grant.Want{
		Issuer: j.trust.trust.Issuer, Keys: j.trust.grants, Runner: j.r.ID, Now: j.r.Now(), Leeway: grant.MaxLeeway,
	})
	if err != nil {
		return err
	}
	j.claims = &c
	return nil
}

// checkRevoked: the feed does not name the grant.
func (j *judgement) checkRevoked(context.Context) error { return j.r.newestFeed().revoked(j.claims.ID) }

// checkLedger: the grant's own entry, by the control plane's pinned author, is in the log that this runner has been
// following.
func (j *judgement) checkLedger(ctx context.Context) error {
	bad := func(what string) error { return writ.Refuse(writ.ReasonNotInLedger, what) }
	e, err := ledger.VerifyAuthor(j.b.GrantLeaf, j.trust.author)
	if err != nil {
		return bad("the grant's entry is not signed by a pinned author")
	}
	body, ok := e.Body.(*writ.GrantBody)
	c := j.claims
	switch a := c.AuthorizationDetails[0]; {
	case !ok || e.Record.Log != j.trust.trust.Log.Origin || !j.trust.authored(e.KeyID(), e.Record.Actor):
		return bad("the entry is not a grant's of this log")
	case body.Grant != c.ID || body.Run != j.b.Run || body.Runner != j.r.ID || body.Holder != c.Confirm.Thumbprint ||
		body.Plan != a.Plan || !body.PlanDigest.Equal(a.PlanDigest) || body.Tier != c.Writ.Tier ||
		!body.TokenDigest.Equal(writ.DigestOf([]byte(j.b.Grant))) || !body.Duties.Equal(c.Writ.Duties):
		return bad("the entry is another grant's")
	}
	if err := j.r.follow(ctx, j.b.Receipt, j.b.GrantLeaf, j.trust.log, j.seen); err != nil {
		return err
	}
	j.proved = true
	return nil
}

// checkPlan: the plan is, part by part and byte by byte, one that this runner made, and the calls and pre-images that
// stayed here are those it commits to.
func (j *judgement) checkPlan(context.Context) error {
	switch {
	case j.planErr != nil:
		return writ.Refuse(writ.ReasonPlanForm, "the plan is not of the closed canonical form")
	case j.own == nil:
		return writ.Refuse(writ.ReasonPlanUnknown, "this runner did not make this plan")
	}
	if err := plan.Compare(*j.own, *j.plan); err != nil {
		return err
	}
	if !j.digest.Equal(j.kept.Digest) {
		return writ.Refuse(writ.ReasonPlanDigest, "the bytes are not those that this runner made")
	}
	if len(j.kept.Prepared) != len(j.plan.Steps) {
		return writ.Refuse(writ.ReasonCallAltered, "the prepared calls are not those of the plan")
	}
	for i, p := range j.kept.Prepared {
		if p.Step.Key != j.plan.Steps[i].Key || p.Step.Call != j.plan.Steps[i].Call || p.Step.Object != j.plan.Steps[i].Object {
			return writ.Refuse(writ.ReasonCallAltered, fmt.Sprintf("the prepared call of step %d is not the plan's", i+1))
		}
		if err := p.Check(); err != nil {
			return err
		}
	}
	conn, err := j.r.connector(j.plan.Target)
	j.conn = conn
	return err
}

// checkMatch: the grant is for exactly this plan, part by part.
func (j *judgement) checkMatch(context.Context) error {
	return grant.Match(*j.claims, *j.plan, j.digest)
}

// checkWindow: the plan may start now.
func (j *judgement) checkWindow(context.Context) error {
	if !j.plan.Window.Contains(j.r.Now()) {
		return writ.Refuse(writ.ReasonOutsideWindow, "the plan may not start now")
	}
	return nil
}

// checkPlaybook: the playbook's content is pinned.
func (j *judgement) checkPlaybook(context.Context) error {
	if !j.trust.trust.Pins(j.plan.Playbook, j.plan.Emergency, j.plan.Reverts) {
		return writ.Refuse(writ.ReasonPlaybookUnpinned, "a playbook of this content is not pinned")
	}
	return nil
}

// checkTier: no operation has a higher tier in this runner's own catalogue than step, plan and grant say, and the feed is
// young enough for the tier in force, which the grant says.
func (j *judgement) checkTier(context.Context) error {
	for i, s := range j.plan.Steps {
		o, ok := j.conn.Catalogue().Operation(s.Operation)
		if !ok || o.Tier > s.Tier || s.Tier > j.plan.Tier || j.plan.Tier > j.claims.Writ.Tier {
			return writ.Refuse(writ.ReasonTierUnderstated, fmt.Sprintf("step %d is of a higher tier here than the grant says", i+1))
		}
	}
	return j.r.Limits.fresh(j.r.newestFeed(), j.plan.InForce(j.claims.Writ.Tier), j.r.Now())
}

// checkPresenter: the holder's key presented this grant at the pinned URL, just now and for the first time.
func (j *judgement) checkPresenter(ctx context.Context) error {
	now := j.r.Now()
	jti, err := token.CheckProof(j.b.Proof, token.WantProof{
		Method: "POST", URL: j.trust.trust.Presented, Token: j.b.Grant, Thumbprint: j.claims.Confirm.Thumbprint, Now: now, Life: token.ProofLife,
	})
	switch {
	case j.held() && errors.Is(err, token.ErrProofAge):
		return &writ.Refusal{Code: writ.ReasonProofExpired, Detail: writ.Printable(err.Error(), maxDetail), Hint: "the holder presents the grant again with a new proof"}
	case err != nil:
		return writ.Refuse(writ.ReasonPresenter, writ.Printable(err.Error(), maxDetail))
	}
	return j.r.Journal.UseProof(ctx, jti, now.Add(token.ProofLife+token.ProofSkew))
}

// held reports whether the agent itself holds the grant that is being judged. Such a grant comes with one proof, which
// nobody here can make anew.
func (j *judgement) held() bool { return j.claims != nil && j.claims.Writ.Mode == writ.ModeKey }

// checkApprovals: exactly the approvals that the grant names, each verified against this runner's own roster, and as
// many and as strong as the ceiling asks for at the tier in force, which grant and entry name. Break-glass comes with its
// signed ask besides.
func (j *judgement) checkApprovals(context.Context) error {
	if err := j.checkAsked(); err != nil {
		return err
	}
	if err := grant.MatchApprovals(*j.claims, j.b.Approvals); err != nil {
		return err
	}
	t := j.trust.trust
	tally, err := approval.Count(t.Question(*j.plan, j.digest, j.claims.Writ.Tier, j.r.Now()), j.b.Approvals)
	if err != nil {
		return err
	}
	j.tally = tally
	q := t.QuorumFor(*j.plan, j.claims.Writ.Tier)
	if tally.People < q.Approvals {
		return writ.Refuse(writ.ReasonApprovalQuorum, fmt.Sprintf("%d of %d approvals", tally.People, q.Approvals))
	}
	if q.Approvals > 0 && tally.Proof.Strength() < q.Proof.Strength() {
		return writ.Refuse(writ.ReasonApprovalProof, fmt.Sprintf("proofs of level %s are asked for", q.Proof))
	}
	return nil
}

// checkCeiling: targets, objects, shares, rate, tier and hour stay below the ceiling, and an agent's plan leaves alone
// what Writ itself rests on.
func (j *judgement) checkCeiling(ctx context.Context) error {
	runs, err := j.r.lastHour(ctx, j.trust, *j.plan)
	if err != nil {
		return err
	}
	if err := j.r.unprotected(*j.plan); err != nil {
		return err
	}
	if err := j.trust.trust.Ceiling.AllowsTime(j.r.Now()); err != nil {
		return err
	}
	return j.trust.trust.AllowsPlan(*j.plan, j.claims.Writ.Tier, j.claims.Writ.Mode, j.tally, runs)
}

// checkDebt: no lease of an earlier run is left that could not be proven dead.
func (j *judgement) checkDebt(ctx context.Context) error {
	debts, err := j.r.debts(ctx)
	if err != nil {
		return err
	}
	if len(debts) > 0 {
		return writ.Refuse(writ.ReasonLeaseDebt, fmt.Sprintf("%d leases of earlier runs are not proven dead", len(debts)))
	}
	return nil
}

// spend is the commit point: the grant is used, whatever happens next.
func (j *judgement) spend(ctx context.Context) error { return j.r.Journal.Spend(ctx, j.record()) }
