package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// This file is break-glass while the control plane is down: the sole exception from invariant I01. As many people of the
// roster as the trust file asks for sign one plan that this runner made and keeps; the journal takes the place of the
// ledger until the ledger can be reached. Nothing of it works while the control plane answers.

// An OfflineAsk asks for a plan on the runner's own host.
type OfflineAsk struct {
	Service    string          `json:"service"`
	Playbook   string          `json:"playbook"`
	Parameters writ.Parameters `json:"parameters,omitempty"`
}

// An OfflineRequest is a plan that waits for signatures. Statement is what each of them is made over.
type OfflineRequest struct {
	V         int           `json:"v"`
	Runner    writ.RunnerID `json:"runner"`
	Plan      writ.PlanID   `json:"plan"`
	Nonce     string        `json:"nonce"`
	Digest    writ.Digest   `json:"plan_digest"`
	Expires   time.Time     `json:"expires"`
	Need      int           `json:"need"` // different people
	Bytes     []byte        `json:"bytes"`
	Statement []byte        `json:"statement"`
}

// An OfflineAnswer is a statement with its signatures.
type OfflineAnswer struct {
	Statement  []byte   `json:"statement"`
	Signatures []string `json:"signatures"`
}

// An OfflineRun is how far a run has come.
type OfflineRun struct {
	Run     writ.RunID    `json:"run"`
	Plan    writ.PlanID   `json:"plan"`
	State   writ.RunState `json:"state"`
	Reason  writ.Reason   `json:"reason,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	Applied int           `json:"applied"`
	Undone  int           `json:"undone"`
	Unknown int           `json:"unknown"`
	Ended   bool          `json:"ended"`  // its credential has no power any more, and its last entry is in the journal
	Waiting bool          `json:"queued"` // the ledger has not heard all of it yet
}

// holderNobody stands for the holder's key in a plan that no grant is issued for.
const holderNobody = "offline"

// offlineAfter is how long nothing must have been heard of the control plane: several heartbeats, and as long as a run of
// tier 2 believes a feed. No configuration makes it shorter.
const offlineAfter = 30 * time.Second

// cutOff refuses while the control plane can be heard, or another process is known to work for this runner: the way
// around the ledger is open only when there is no way to it.
func (r *Runner) cutOff() error {
	select {
	case <-r.stopping:
		return &writ.Refusal{Code: writ.ReasonStopped, Detail: "the runner is stopping", Kind: writ.ErrUnavailable}
	default:
	}
	if r.heardOfOther() {
		return &writ.Refusal{Code: writ.ReasonFenced, Kind: writ.ErrDenied, Detail: "another process works for this runner", Hint: "use the console of that one"}
	}
	if r.Now().Sub(r.lastHeard()) <= offlineAfter {
		return &writ.Refusal{
			Code: writ.ReasonControlReachable, Kind: writ.ErrDenied, Detail: fmt.Sprintf("the control plane was heard less than %s ago", offlineAfter),
			Hint: "ask there: writ breakglass open",
		}
	}
	return nil
}

// lastHeard is when the control plane last gave a sign of life: the feed it signed, or the heartbeat it took.
func (r *Runner) lastHeard() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.feed.known && r.feed.IssuedAt.After(r.cell.told) {
		return r.feed.IssuedAt
	}
	return r.cell.told
}

// PlanOffline resolves an emergency playbook into one plan by reading alone, keeps it in the journal, and returns what
// people sign.
func (r *Runner) PlanOffline(ctx context.Context, ask OfflineAsk) (OfflineRequest, error) {
	if err := r.cutOff(); err != nil {
		return OfflineRequest{}, err
	}
	t, err := r.loadTrust(ctx)
	if err != nil {
		return OfflineRequest{}, err
	}
	in, err := r.offlinePlanning(ask, t)
	if err != nil {
		return OfflineRequest{}, err
	}
	p, bound, err := r.bind(in, t)
	if err != nil {
		return OfflineRequest{}, err
	}
	conn, err := r.connector(in.Target)
	if err != nil {
		return OfflineRequest{}, err
	}
	made := journal.Plan{ID: in.Plan, Scope: in.Scope, NotAfter: in.Window.NotAfter.Unix(), Entry: []byte{}}
	if err := r.forth(ctx, conn, in, &p, bound, &made); err != nil {
		return OfflineRequest{}, err
	}
	if err := complete(&p, bound); err != nil {
		return OfflineRequest{}, err
	}
	if made.Bytes, err = p.Bytes(); err != nil {
		return OfflineRequest{}, err
	}
	if len(made.Bytes) > writ.MaxPlanBytes {
		return OfflineRequest{}, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("the plan has more than %d bytes", writ.MaxPlanBytes))
	}
	made.Digest = writ.DigestOf(made.Bytes)
	statement, err := writ.OfflineOf(p, made.Digest).Bytes()
	if err != nil {
		return OfflineRequest{}, err
	}
	if err := r.Journal.PutPlan(ctx, made); err != nil {
		return OfflineRequest{}, err
	}
	r.Log.Warn("a plan was made while the control plane is down; it waits for signatures", "plan", string(p.ID), "playbook", p.Playbook.Name, "digest", made.Digest.String())
	return OfflineRequest{
		V: writ.FormatVersion, Runner: r.ID, Plan: p.ID, Nonce: p.Nonce, Digest: made.Digest, Expires: p.Window.NotAfter,
		Need: t.trust.Ceiling.Emergency.Offline.Approvals, Bytes: made.Bytes, Statement: statement,
	}, nil
}

// offlinePlanning puts together what the control plane would have sent, from the trust file and this runner's own copies
// of the emergency playbooks.
func (r *Runner) offlinePlanning(ask OfflineAsk, t trusted) (assignment.Planning, error) {
	fail := func(err error) (assignment.Planning, error) { return assignment.Planning{}, err }
	scope, err := t.trust.Scope(ask.Service)
	if err != nil {
		return fail(err)
	}
	source, ok := r.Emergency[ask.Playbook]
	if !ok {
		return fail(&writ.Refusal{Code: writ.ReasonUnknownPlaybook, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("this runner has no emergency playbook %q", writ.Printable(ask.Playbook, 60)), Hint: "playbooks: " + r.emergencies()})
	}
	pb, digest, err := playbook.Parse(source)
	if err != nil {
		return fail(err)
	}
	target, err := oneTarget(scope.Locations, pb.Plane)
	if err != nil {
		return fail(err)
	}
	glass, errG := ident.Make[writ.BreakGlassID]("bgl", r.Now(), r.Rand)
	id, errP := ident.Make[writ.PlanID]("pln", r.Now(), r.Rand)
	prp, errR := ident.Make[writ.ProposalID]("prp", r.Now(), r.Rand)
	inc, errI := ident.Make[writ.IncidentID]("inc", r.Now(), r.Rand)
	policy, errT := t.trust.Digest() // what decides is the trust file
	if err := errors.Join(errG, errP, errR, errI, errT); err != nil {
		return fail(err)
	}
	now := writ.Instant(r.Now())
	proposal, err := canon.Marshal(writ.Proposal{
		V: writ.FormatVersion, ID: prp, Incident: inc, By: r.ID.Principal(), Playbook: writ.PlaybookRef{Name: pb.Name, Version: pb.Version, Digest: digest},
		Parameters: ask.Parameters, Emergency: &writ.Emergency{ID: glass, Offline: true}, At: now,
	})
	return assignment.Planning{
		Plan: id, Proposal: proposal, Playbook: source, Target: target, Service: scope.Service, Environment: scope.Environment, Scope: scope.Locations,
		Policy: policy, Window: writ.Window{NotBefore: now, NotAfter: now.Add(writ.MaxOfflineLife)}, Holder: holderNobody,
	}, err
}

func (r *Runner) emergencies() string {
	var out []string
	for name := range r.Emergency {
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// oneTarget picks the one target of a plane among a service's locations.
func oneTarget(all []writ.Location, plane string) (writ.Location, error) {
	var found []writ.Location
	for _, l := range all {
		if l.Plane() == plane && !slices.Contains(found, l.Target()) {
			found = append(found, l.Target())
		}
	}
	if len(found) != 1 {
		return "", writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("the service has %d targets of plane %s here; the playbook needs exactly one", len(found), plane))
	}
	return found[0], nil
}

// An accepted offline plan, judged.
type accepted struct {
	plan   writ.Plan
	kept   journal.Plan
	run    journal.Run
	entry  journal.Entry
	signed []approval.Signer
}

// RunOffline judges a signed offline plan and starts it. Accepting is the commit point: from then on the nonce is used,
// and a crash leaves a run that the next process brings to safety and never makes again.
func (r *Runner) RunOffline(ctx context.Context, answer OfflineAnswer) (OfflineRun, error) {
	a, err := r.judgeOffline(ctx, answer)
	if err != nil {
		r.Log.Warn("an offline plan was refused", "reason", string(writ.ReasonOf(err)), "error", err)
		return OfflineRun{}, err
	}
	if err := r.Journal.Spend(ctx, a.run, a.entry); err != nil {
		if code := writ.ReasonOf(err); code == writ.ReasonSpent || errors.Is(err, writ.ErrConflict) {
			return OfflineRun{}, writ.Refuse(writ.ReasonBreakGlassReplayed, "this nonce was used before: one plan, one run")
		}
		return OfflineRun{}, err
	}
	// Committed: the run has an end that the journal knows how to reach.
	for _, s := range a.signed {
		r.Log.Warn("an offline plan was signed", "plan", string(a.plan.ID), "run", string(a.run.ID), "by", s.Person.Sub, "key", s.Key)
	}
	x, err := r.newExecution(a.run, a.kept, nil)
	if err != nil {
		r.Log.Error("run interrupted", "run", string(a.run.ID), "error", err)
	}
	base := context.WithoutCancel(ctx)
	r.done.Go(func() { r.carry(base, a.run.ID, x) })
	return r.OfflineRun(ctx, a.run.ID)
}

// judgeOffline checks a signed plan against this runner's own journal, trust file and targets.
func (r *Runner) judgeOffline(ctx context.Context, answer OfflineAnswer) (*accepted, error) {
	if err := r.cutOff(); err != nil {
		return nil, err
	}
	s, err := writ.ParseOfflineStatement(answer.Statement)
	if err != nil {
		return nil, &writ.Refusal{Code: writ.ReasonBreakGlassForm, Kind: writ.ErrInvalid, Detail: "the statement is not of the closed canonical form"}
	}
	unknown := writ.Refuse(writ.ReasonOfflineNonce, "this runner has made no plan with this nonce")
	if s.Runner != r.ID {
		return nil, unknown
	}
	kept, err := r.Journal.Plan(ctx, s.Plan)
	if errors.Is(err, writ.ErrNotFound) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	p, digest, err := writ.ParsePlan(kept.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: plan %s: %v", journal.ErrDamaged, s.Plan, err)
	}
	if p.Emergency == nil || !p.Emergency.Offline || p.Nonce != s.Nonce {
		return nil, unknown
	}
	if s != writ.OfflineOf(p, digest) {
		return nil, writ.Refuse(writ.ReasonBreakGlassMismatch, "what was signed is another plan, or another end of its time")
	}
	run, grant := offlineIDs(p.Emergency.ID)
	switch _, err := r.Journal.Run(ctx, run); {
	case err == nil:
		return nil, writ.Refuse(writ.ReasonBreakGlassReplayed, "this nonce was used before: one plan, one run")
	case !errors.Is(err, writ.ErrNotFound):
		return nil, err
	}
	if !p.Window.Contains(r.Now()) {
		return nil, writ.Refuse(writ.ReasonBreakGlassExpired, "its time is over, or has not come")
	}
	// As far as it is known.
	if err := r.newestFeed().frozen(&p); err != nil {
		return nil, err
	}
	signers, t, err := r.offlineQuorum(ctx, p, answer)
	if err != nil {
		return nil, err
	}
	if err := r.offlineBounds(ctx, p, kept); err != nil {
		return nil, err
	}
	a := &accepted{plan: p, kept: kept, signed: signers, run: journal.Run{
		ID: run, Grant: grant, Plan: p.ID, PlanDigest: digest, Incident: p.Incident, Log: t.trust.Log.Origin, State: writ.RunRunning, Started: r.Now(),
	}}
	body := writ.OfflineBody{
		ID: p.Emergency.ID, Run: run, Grant: grant, Plan: p.ID, PlanDigest: digest, Runner: r.ID, Service: p.Service, Environment: p.Environment,
		Playbook: p.Playbook, Tier: p.Tier, Blast: p.Blast, Quorum: t.trust.Ceiling.Emergency.Offline.Approvals, Statement: answer.Statement,
		Signatures: slices.Sorted(slices.Values(answer.Signatures)),
	}
	if body.Trust, err = t.trust.Digest(); err != nil {
		return nil, err
	}
	for _, step := range p.Steps {
		body.Objects = append(body.Objects, step.Object)
	}
	a.entry, a.run.GrantLeaf, err = r.seal(a.run.Log, writ.EntryBreakGlassOffline, p.Incident, body)
	return a, err
}

// offlineQuorum counts people, on a trust file that is good now.
func (r *Runner) offlineQuorum(ctx context.Context, p writ.Plan, answer OfflineAnswer) ([]approval.Signer, trusted, error) {
	t, err := r.loadTrust(ctx)
	if err != nil {
		return nil, t, err
	}
	runs, err := r.lastHour(ctx, t, p)
	if err != nil {
		return nil, t, err
	}
	signers, err := t.trust.AllowsOffline(p, answer.Statement, answer.Signatures, runs)
	return signers, t, err
}

// offlineBounds are the checks that need this runner's own catalogue and journal.
func (r *Runner) offlineBounds(ctx context.Context, p writ.Plan, kept journal.Plan) error {
	conn, err := r.connector(p.Target)
	if err != nil {
		return err
	}
	for i, s := range p.Steps {
		o, ok := conn.Catalogue().Operation(s.Operation)
		if !ok || o.Tier > s.Tier || s.Tier > p.Tier {
			return writ.Refuse(writ.ReasonTierUnderstated, fmt.Sprintf("step %d is of a higher tier here than the plan says", i+1))
		}
		if i >= len(kept.Prepared) || kept.Prepared[i].Step.Call != s.Call || kept.Prepared[i].Check() != nil {
			return writ.Refuse(writ.ReasonCallAltered, fmt.Sprintf("the prepared call of step %d is not the plan's", i+1))
		}
	}
	debts, err := r.debts(ctx)
	if err != nil {
		return err
	}
	if len(debts) > 0 {
		return writ.Refuse(writ.ReasonLeaseDebt, fmt.Sprintf("%d leases of earlier runs are not proven dead", len(debts)))
	}
	return nil
}

// offlineIDs are the run's and its grant's: one of each for one break-glass, so that a nonce that comes again meets the
// same spent grant.
func offlineIDs(id writ.BreakGlassID) (writ.RunID, writ.GrantID) {
	ulid := strings.TrimPrefix(string(id), "bgl_")
	return writ.RunID("run_" + ulid), writ.GrantID("gnt_" + ulid)
}

// OfflineRun says how far a run has come, from the journal alone.
func (r *Runner) OfflineRun(ctx context.Context, id writ.RunID) (OfflineRun, error) {
	run, err := r.Journal.Run(ctx, id)
	if err != nil {
		return OfflineRun{}, err
	}
	waiting, err := r.Journal.Waiting(ctx, id, 1)
	return OfflineRun{
		Run: id, Plan: run.Plan, State: run.State, Reason: run.Reason, Detail: run.Detail, Applied: run.Applied, Undone: run.Undone, Unknown: run.Unknown,
		Ended: !run.Ended.IsZero(), Waiting: len(waiting) > 0,
	}, err
}

// offline reports whether the plan is one that was made while cut off: its calls wait for no ledger.
func (x *execution) offline() bool { return x.plan.Emergency != nil && x.plan.Emergency.Offline }

// holds is the runner's, but for a run that was made while cut off: nobody else knows of it, and only the word that
// another process works for this runner stops it.
func (x *execution) holds(ctx context.Context) *cause {
	if !x.offline() {
		return x.r.holds(ctx)
	}
	if x.r.heardOfOther() {
		return &cause{writ.ReasonFenced, "another process works for this runner now"}
	}
	return nil
}

// journalled takes the place of acknowledge while the control plane is down (I01's exception): the intent is in the
// journal already, and so is from here on that its call may have been made.
func (x *execution) journalled(ctx context.Context, i int) (*cause, error) {
	acked, err := x.event(eventAcked, i, nil)
	if err != nil {
		return nil, err
	}
	if why := x.halted(false); why != nil {
		return why, nil
	}
	if err := x.r.Journal.Append(ctx, x.run.ID, []journal.Event{acked}); err != nil {
		return nil, err
	}
	return nil, x.note(acked)
}
