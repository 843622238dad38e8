package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// planLimit bounds resolving one step: a handful of reads.
const planLimit = 20 * time.Second

// plan resolves a proposal into a plan and writes nothing to the target. The plan, with the bytes that stay here, is
// in the journal before anybody sees it. The same plan id again gives the same plan.
func (r *Runner) plan(ctx context.Context, in assignment.Planning) (*assignment.Planned, error) {
	t, err := r.loadTrust(ctx)
	if err != nil {
		return nil, err
	}
	switch made, err := r.Journal.Plan(ctx, in.Plan); {
	case err == nil:
		return answerOf(made, t), nil
	case isNot(err, writ.ErrNotFound):
		return nil, err
	}
	p, bound, err := r.bind(in, t)
	if err != nil {
		return nil, err
	}
	conn, err := r.connector(in.Target)
	if err != nil {
		return nil, err
	}
	made := journal.Plan{ID: in.Plan, Scope: in.Scope, NotAfter: in.Window.NotAfter.Unix()}
	if p.Reverts != "" || in.Reverts != nil {
		err = r.putBack(ctx, conn, in, &p, &bound, &made)
	} else {
		err = r.forth(ctx, conn, in, &p, bound, &made)
	}
	if err != nil {
		return nil, err
	}
	if err := r.unprotected(p); err != nil {
		return nil, err
	}
	if err := complete(&p, bound); err != nil {
		return nil, err
	}
	if made.Bytes, err = p.Bytes(); err != nil {
		return nil, err
	}
	if len(made.Bytes) > writ.MaxPlanBytes {
		return nil, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("the plan has more than %d bytes", writ.MaxPlanBytes))
	}
	made.Digest = writ.DigestOf(made.Bytes)
	if made.Entry, err = r.planEntry(p, made.Digest, in.ProposalLeaf, t.trust.Log.Origin); err != nil {
		return nil, err
	}
	switch err := r.Journal.PutPlan(ctx, made); {
	case errors.Is(err, writ.ErrConflict): // asked twice at once: the first plan is the plan
		if made, err = r.Journal.Plan(ctx, in.Plan); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	return answerOf(made, t), nil
}

// answerOf is what the control plane is told of a plan. The highest tier of the ceiling goes with it, so that nobody is asked
// about a plan that policy puts above it.
func answerOf(made journal.Plan, t trusted) *assignment.Planned {
	return &assignment.Planned{Plan: made.Bytes, Entry: made.Entry, MaxTier: t.trust.Ceiling.MaxTier}
}

// forth reads the playbook's guards and resolves its steps.
func (r *Runner) forth(ctx context.Context, conn connector.Connector, in assignment.Planning, p *writ.Plan, b playbook.Bound, made *journal.Plan) error {
	if err := r.observed(ctx, conn, b.Observe, in.Scope); err != nil {
		return err
	}
	for _, g := range b.Guards {
		if err := r.guard(ctx, conn, g, in.Scope); err != nil {
			return err
		}
	}
	for i, s := range b.Steps {
		d := connector.Draft{Key: fmt.Sprintf("%s.%d", in.Plan, i+1), Operation: s.Operation, With: s.With, Scope: in.Scope}
		step, err := resolve(ctx, conn, d)
		if err != nil {
			return err
		}
		made.Prepared = append(made.Prepared, step)
		p.Steps = append(p.Steps, step.Step)
	}
	return nil
}

// unprotected refuses an agent's plan that touches what Writ itself rests on.
func (r *Runner) unprotected(p writ.Plan) error {
	if at := p.Touches(r.Protected); at != "" && p.Requester.Kind == writ.KindAgent {
		return &writ.Refusal{Code: writ.ReasonProtected, Kind: writ.ErrDenied, Hint: "a person can ask for it",
			Detail: fmt.Sprintf("Writ itself rests on %s: no agent may change it", at)}
	}
	return nil
}

// bind parses proposal and playbook, checks that they belong together and that the playbook is pinned, and binds the
// parameters. The plan it returns has everything that does not depend on the target.
func (r *Runner) bind(in assignment.Planning, t trusted) (writ.Plan, playbook.Bound, error) {
	fail := func(err error) (writ.Plan, playbook.Bound, error) { return writ.Plan{}, playbook.Bound{}, err }
	var prp writ.Proposal
	if err := canon.Parse(in.Proposal, &prp); err != nil || prp.V != writ.FormatVersion {
		return fail(&writ.Refusal{Code: writ.ReasonForm, Detail: "the proposal is not of the closed canonical form", Kind: writ.ErrInvalid})
	}
	pb, digest, err := playbook.Parse(in.Playbook)
	if err != nil {
		return fail(err)
	}
	if ref := prp.Playbook; !digest.Equal(ref.Digest) || pb.Name != ref.Name || pb.Version != ref.Version {
		return fail(writ.Refuse(writ.ReasonPlaybookAltered, "the playbook is not the one that was proposed"))
	}
	if prp.Holder != "" && prp.Holder != in.Holder {
		return fail(writ.Refuse(writ.ReasonHolderAltered, "the proposal names another key than the one that is to hold the grant"))
	}
	if pb.Emergency != (prp.Emergency != nil) && prp.Reverts == "" {
		return fail(writ.Refuse(writ.ReasonBreakGlass, fmt.Sprintf("%s@%d and the proposal do not agree on whether this is break-glass", pb.Name, pb.Version)))
	}
	if !t.trust.Pins(prp.Playbook, prp.Emergency, prp.Reverts) {
		return fail(writ.Refuse(writ.ReasonPlaybookUnpinned, fmt.Sprintf("%s@%d with this content is not pinned", pb.Name, pb.Version)))
	}
	bound, err := pb.Bind(prp.Parameters)
	if err != nil {
		return fail(err)
	}
	nonce, err := ident.Nonce(r.Rand)
	if err != nil {
		return fail(err)
	}
	return writ.Plan{
		V: writ.FormatVersion, ID: in.Plan, Incident: prp.Incident, Proposal: prp.ID, ProposalDigest: writ.DigestOf(in.Proposal),
		Requester: prp.By, Lineage: prp.Lineage, Runner: r.ID, Target: in.Target, Service: in.Service, Environment: in.Environment, Playbook: prp.Playbook,
		Parameters: bound.Parameters, Title: bound.Title, Evidence: prp.Evidence, Policy: in.Policy,
		Window: writ.Window{NotBefore: writ.Instant(in.Window.NotBefore), NotAfter: writ.Instant(in.Window.NotAfter)},
		Holder: in.Holder, Observe: bound.Observe, Guards: bound.Guards, Verify: bound.Verify, Undo: bound.Undo, Reverts: prp.Reverts, Emergency: prp.Emergency, Nonce: nonce, MadeAt: writ.Instant(r.Now()),
	}, bound, nil
}

// resolve asks the connector for one exact call and checks that the answer is to the question and within the
// catalogue.
func resolve(ctx context.Context, conn connector.Connector, d connector.Draft) (connector.Prepared, error) {
	op, ok := conn.Catalogue().Operation(d.Operation)
	if !ok {
		return connector.Prepared{}, writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("operation %s does not exist here", writ.Printable(string(d.Operation), 80)))
	}
	if err := connector.CheckParameters(op.Parameters, d.With); err != nil {
		return connector.Prepared{}, err
	}
	p, err := try(ctx, fault.TargetPlan, planLimit, func(ctx context.Context) (connector.Prepared, error) { return conn.Plan(ctx, d) })
	if err != nil {
		return p, err
	}
	if p.Step.Key != d.Key || p.Step.Operation != d.Operation {
		return p, fmt.Errorf("%w: the connector planned another step than it was asked for", writ.ErrInvalid)
	}
	p.Step.Tier = max(p.Step.Tier, op.Tier)
	return p, p.Check()
}

// complete computes tier, radius and budget from the steps.
func complete(p *writ.Plan, b playbook.Bound) error {
	p.Tier = plan.Tier(b.Tier, p.Steps)
	p.Blast = plan.Blast(p.Steps)
	p.Budget = b.Limits
	if p.Blast.Objects > p.Budget.MaxObjects || p.Blast.Permille > p.Budget.MaxPermille {
		return writ.Refuse(writ.ReasonBudget, fmt.Sprintf("it reaches %d objects and %d permille of the service; the playbook allows %d and %d",
			p.Blast.Objects, p.Blast.Permille, p.Budget.MaxObjects, p.Budget.MaxPermille))
	}
	return plan.Floor(p.Steps, nil)
}

// planEntry seals the plan's ledger entry.
func (r *Runner) planEntry(p writ.Plan, digest, proposal writ.Digest, log string) ([]byte, error) {
	evidence, err := p.EvidenceDigest()
	if err != nil {
		return nil, err
	}
	body := writ.PlanBody{
		Plan: p.ID, PlanDigest: digest, ProposalDigest: p.ProposalDigest, Requester: p.Requester, Runner: p.Runner, Playbook: p.Playbook,
		Tier: p.Tier, Blast: p.Blast, Policy: p.Policy, EvidenceDigest: evidence, Holder: p.Holder, NotAfter: p.Window.NotAfter,
	}
	for _, s := range p.Steps {
		body.Objects = append(body.Objects, s.Object)
	}
	e, _, err := r.seal(log, writ.EntryPlan, p.Incident, body, ref(relProposal, proposal)...)
	return e.Leaf, err
}
