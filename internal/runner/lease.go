package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// Time limits of the calls that make and end a lease.
const (
	mintLimit   = 30 * time.Second
	revokeLimit = 10 * time.Second
	probeLimit  = 10 * time.Second
	leaseMargin = 60 * time.Second // on top of the steps' own time limits: minting, and the entries in between
)

// newLease describes a lease that is about to be minted, and its entry. steps count from 0.
func (x *execution) newLease(steps []int, undo bool) (journal.Lease, journal.Entry, error) {
	r := x.r
	id, err := ident.Make[writ.LeaseID]("lse", r.Now(), r.Rand)
	if err != nil {
		return journal.Lease{}, journal.Entry{}, err
	}
	ttl := leaseMargin
	for _, i := range steps {
		ttl += time.Duration(x.plan.Steps[i].TimeoutSeconds) * time.Second
	}
	now := r.Now()
	l := journal.Lease{
		ID: id, Run: x.run.ID, Plan: x.plan.ID, Target: x.plan.Target, Tier: x.plan.Tier, Steps: steps, Undo: undo, TTL: ttl,
		Name: "writ-" + strings.ToLower(strings.TrimPrefix(string(id), "lse_")), Made: now, Expires: now.Add(ttl),
	}
	e, hash, err := r.seal(x.log, writ.EntryLease, x.run.Incident, writ.LeaseBody{
		Lease: id, Run: x.run.ID, Target: l.Target, Tier: l.Tier, Name: l.Name, Rights: x.rights(steps), Expires: writ.Instant(l.Expires),
	}, ref(relGrant, x.run.GrantLeaf)...)
	l.Entry = hash
	return l, e, err
}

// rights says in the catalogue's words what the lease needs: {parameter} stands for the step's value.
func (x *execution) rights(steps []int) []string {
	var out []string
	for _, i := range steps {
		s := x.plan.Steps[i]
		o, ok := x.conn.Catalogue().Operation(s.Operation)
		if !ok {
			continue
		}
		var names []string
		for name, v := range s.With {
			names = append(names, "{"+name+"}", v.String())
		}
		values := strings.NewReplacer(names...)
		for _, right := range o.Rights {
			out = append(out, values.Replace(right))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// errVoid says that a lease is forgotten: the ledger refused its announcement before anything was minted.
var errVoid = errors.New("the lease is void")

// announce journals the lease in the transaction that puts its announcement into the outbox: what the ledger may hear
// of, the reaper knows of. From then on the run holds the lease until letGo, whatever happens.
func (x *execution) announce(ctx context.Context, l journal.Lease, events []journal.Event, entries ...journal.Entry) error {
	x.r.hold(l.ID, true)
	if err := x.r.Journal.PutLease(ctx, l, events, entries...); err != nil {
		x.r.hold(l.ID, false)
		return err
	}
	x.active = append(x.active, active{id: l.ID})
	return nil
}

// mint makes the credential of the lease that was announced last. The journal says that it may exist before anything
// is made, and takes its handle before it has any power.
func (x *execution) mint(ctx context.Context, l journal.Lease) (connector.Lease, error) {
	req, err := request(l, x.kept)
	if err != nil {
		return nil, err
	}
	if req.TTL = l.Expires.Sub(x.r.Now()); req.TTL <= 0 { // so that it is over when the announcement says
		return nil, writ.Refuse(writ.ReasonLeaseFailed, "the lease's time was over before it could be minted")
	}
	keep := func(handle []byte) error { return x.r.Journal.KeepHandle(context.WithoutCancel(ctx), l.ID, handle) }
	lease, err := try(ctx, fault.TargetMint, mintLimit, func(ctx context.Context) (connector.Lease, error) { return x.conn.Lease(ctx, req, keep) })
	if err == nil && lease == nil {
		err = errors.New("the connector made no lease")
	}
	if err == nil {
		x.active[len(x.active)-1].lease = lease
	}
	return lease, err
}

// An active lease is one that a run made in this process and has not let go.
type active struct {
	id    writ.LeaseID
	lease connector.Lease // nil when minting failed
}

// hold keeps the reaper away from a lease, or lets it have it.
func (r *Runner) hold(id writ.LeaseID, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.held[id] = true
	} else {
		delete(r.held, id)
	}
}

// How long a run itself waits for the power of its lease to end before it leaves the lease to the reaper.
const (
	letGoPatience = 5 * time.Second
	letGoPause    = 50 * time.Millisecond
	letGoRest     = time.Second
)

// letGo ends the run's leases: it revokes and probes until the power is gone, or hands over to the reaper. The journal
// failing is the reaper's trouble too.
func (x *execution) letGo(ctx context.Context) {
	for _, a := range x.active {
		deadline, b := x.r.Now().Add(letGoPatience), backoff{}
		for {
			l, err := x.r.retire(ctx, a.id, a.lease)
			if err == nil && !l.PowerGone.IsZero() || errors.Is(err, errVoid) {
				break
			}
			if err != nil {
				x.slog.Warn("lease not ended yet", "lease", l.Name, "error", err)
			}
			if !x.r.Now().Before(deadline) {
				break
			}
			b = b.after(x.r.Now(), letGoPause, letGoRest)
			pause(ctx, b.delay, nil)
		}
		x.r.hold(a.id, false)
	}
	x.active = nil
	x.r.wake()
}

// request rebuilds what a lease was asked for, from what the journal keeps.
func request(l journal.Lease, p journal.Plan) (connector.LeaseRequest, error) {
	req := connector.LeaseRequest{Name: l.Name, Run: l.Run, Tier: l.Tier, Undo: l.Undo, TTL: l.TTL}
	for _, i := range l.Steps {
		if i < 0 || i >= len(p.Prepared) {
			return req, fmt.Errorf("%w: lease %s names step %d", journal.ErrDamaged, l.ID, i+1)
		}
		req.Steps = append(req.Steps, p.Prepared[i])
	}
	return req, nil
}

// retire takes one turn at ending a lease: it revokes unless that was done, and then probes. live is the lease as it
// was minted, nil to reopen it from the journal. It returns what the journal then says; an error but errVoid means: again, later.
func (r *Runner) retire(ctx context.Context, id writ.LeaseID, live connector.Lease) (journal.Lease, error) {
	l, err := r.Journal.Lease(ctx, id)
	switch {
	case errors.Is(err, writ.ErrNotFound):
		return l, errVoid
	case err != nil || l.Dead():
		return l, err
	}
	var run journal.Run
	if l.Run != "" {
		if run, err = r.Journal.Run(ctx, l.Run); err != nil {
			return l, err
		}
	}
	if l.Revoking.IsZero() {
		l.Revoking = r.Now()
		if err := r.Journal.Revoking(ctx, l.ID, l.Revoking); err != nil {
			return l, err
		}
	}
	if live == nil {
		if live, err = r.reopen(ctx, l); err != nil {
			return l, err
		}
		if live == nil {
			return r.outlast(ctx, l, run)
		}
	}
	if l.Revoked.IsZero() {
		_, err := try(ctx, fault.TargetRevoke, revokeLimit, func(ctx context.Context) (struct{}, error) { return struct{}{}, live.Revoke(ctx) })
		if err != nil {
			return l, fmt.Errorf("revoke %s: %w", l.Name, err)
		}
		l.Revoked = r.Now()
		if l.Run == "" {
			if err := r.Journal.Revoked(ctx, l, l.Revoked); err != nil {
				return l, err
			}
			return r.probe(ctx, l, run, live)
		}
		body := writ.RevokeBody{Lease: l.ID, Run: l.Run, Name: l.Name, Done: true, Millis: since(l.Revoking, l.Revoked)}
		e, _, err := r.seal(run.Log, writ.EntryRevoke, run.Incident, body, ref(relLease, l.Entry)...)
		if err != nil {
			return l, err
		}
		e.Needs = l.Entry
		if err := r.Journal.Revoked(ctx, l, l.Revoked, e); err != nil {
			return l, err
		}
	}
	return r.probe(ctx, l, run, live)
}

// probe uses the revoked credential and records what is refused for the first time.
func (r *Runner) probe(ctx context.Context, l journal.Lease, run journal.Run, live connector.Lease) (journal.Lease, error) {
	p, err := try(ctx, fault.TargetProbe, probeLimit, live.Probe)
	if err != nil {
		return l, fmt.Errorf("probe %s: %w", l.Name, err)
	}
	was, now := l, r.Now()
	l.Probes++
	if p.PowerGone && l.PowerGone.IsZero() {
		l.PowerGone = now
	}
	if p.IdentityGone && l.IdentityGone.IsZero() {
		l.IdentityGone = now
	}
	var entries []journal.Entry
	switch news := was.PowerGone != l.PowerGone || was.IdentityGone != l.IdentityGone; {
	case news && l.Run == "":
		e, err := r.orphanEntry(l)
		if err != nil {
			return was, err
		}
		entries = append(entries, e)
	case news:
		body := writ.ProbeBody{
			Lease: l.ID, Run: l.Run, PowerGone: !l.PowerGone.IsZero(), IdentityGone: !l.IdentityGone.IsZero(),
			PowerStatus: p.PowerStatus, IdentityStatus: p.IdentityStatus, PowerMillis: since(l.Revoking, l.PowerGone),
			IdentityMillis: since(l.Revoking, l.IdentityGone), Probes: l.Probes,
		}
		if l.Begun.IsZero() { // no credential answered: nothing stands under the name
			body.NeverMinted, body.PowerStatus, body.IdentityStatus = true, 0, 0
		}
		e, _, err := r.seal(run.Log, writ.EntryProbe, run.Incident, body, ref(relLease, l.Entry)...)
		if err != nil {
			return was, err
		}
		e.Needs = l.Entry
		entries = append(entries, e)
	}
	if err := r.Journal.Probed(ctx, l, entries...); err != nil {
		return was, err
	}
	return l, nil
}

// expirySlack is for minting that had begun when the lease was over, and for issuers that round.
const expirySlack = mintLimit + 5*time.Second

// outlast ends a lease of another journal on a target that knows credentials by themselves alone: nobody here can show
// it, so it is waited for until the life that it was given is over.
func (r *Runner) outlast(ctx context.Context, l journal.Lease, run journal.Run) (journal.Lease, error) {
	now := r.Now()
	if over := l.Expires.Add(expirySlack); now.Before(over) {
		return l, fmt.Errorf("%w: the target has no name for the credential %s; it is over at %s", writ.ErrUnavailable, l.Name, over.UTC().Format(time.RFC3339))
	}
	was := l
	l.Revoked, l.PowerGone, l.IdentityGone, l.Probes = now, now, now, l.Probes+1
	e, _, err := r.seal(run.Log, writ.EntryProbe, run.Incident, writ.ProbeBody{
		Lease: l.ID, Run: l.Run, PowerGone: true, IdentityGone: true, PowerMillis: since(l.Revoking, now), IdentityMillis: since(l.Revoking, now),
		Probes: l.Probes, Expired: true,
	}, ref(relLease, l.Entry)...)
	if err != nil {
		return was, err
	}
	e.Needs = l.Entry
	if err := r.Journal.Revoked(ctx, l, now); err != nil {
		return was, err
	}
	return l, r.Journal.Probed(ctx, l, e)
}

// reopen makes a lease of an earlier process, or one whose minting failed, revocable; nil when nobody can but time.
func (r *Runner) reopen(ctx context.Context, l journal.Lease) (connector.Lease, error) {
	conn, err := r.connector(l.Target)
	if err != nil {
		return nil, err
	}
	if l.Plan == "" { // of another journal
		if by, ok := conn.(connector.Reclaimer); ok {
			return by.Reclaim(l.Name)
		}
		return nil, nil
	}
	p, err := r.Journal.Plan(ctx, l.Plan)
	if err != nil {
		return nil, err
	}
	req, err := request(l, p)
	if err != nil {
		return nil, err
	}
	return conn.Reopen(req, l.Handle)
}

// since is a duration in whole milliseconds; 0 when it has not ended.
func since(from, to time.Time) int {
	if to.IsZero() {
		return 0
	}
	return int(max(0, to.Sub(from).Milliseconds()))
}
