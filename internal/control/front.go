package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/redact"
	"github.com/writ-dev/writ/internal/store"
)

// stateFronted is the state of evidence that came through an upstream. It is shown and exported as all evidence is, and
// cannot be cited: a plan rests on what a runner has read.
const stateFronted = "fronted"

// Offered lists the tools that the caller may call now. What was approved is listed, never what an upstream says now.
func (c *Control) Offered(ctx context.Context, by writ.Principal) ([]writ.UpstreamTool, error) {
	if c.Upstreams == nil {
		return nil, nil
	}
	a, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair)
	if err != nil {
		return nil, err
	}
	var out []writ.UpstreamTool
	for _, u := range c.Upstreams.Upstreams() {
		if by.Kind == writ.KindAgent && !u.May(a.Name) {
			continue
		}
		all, err := c.upstreamTools(ctx, u)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(all, func(t writ.UpstreamTool) bool { return t.State != writ.ToolOn })...)
	}
	return out, nil
}

// A fronted is a call that was checked and allowed.
type fronted struct {
	incident  writ.IncidentID
	name      writ.UpstreamToolName
	pin       pinRow
	arguments gateway.Arguments
	decision  writ.Decision

	// What it was decided on, besides what it names: what was stored, the set of rules, and the second.
	seen store.Seen
	set  *PolicySet
	at   int64
}

// asDecided reports whether deciding f again, in this transaction, would find the same rows, ask the same rules and name the same
// second: then the answer is the one that is there.
func (c *Control) asDecided(tx *store.Tx, f fronted) bool {
	return tx.Still(f.seen) && f.set == c.inForce() && f.at == c.now().Unix()
}

// ReadUpstream calls one approved tool for an incident, and records arguments and answer before it gives the answer. The
// order is: who may, what was approved, the arguments against it, policy, the call, and the entry; a failure at any of them
// ends it. While the second to fourth are looked at, the upstream is asked what it offers, unless that was known a moment ago
// (gateway.Upstream.ListLife), which tells it nothing of the call.
// All but the call is looked at once more when the entry is made, unless what was found still stands: an answer to a call that
// is no longer allowed is not given.
func (c *Control) ReadUpstream(ctx context.Context, by writ.Principal, incident writ.IncidentID, name writ.UpstreamToolName, arguments []byte) (writ.UpstreamReading, error) {
	r, err := c.readUpstream(ctx, by, incident, name, arguments)
	return r, c.deny(ctx, "upstream read", by, "", err)
}

func (c *Control) readUpstream(ctx context.Context, by writ.Principal, incident writ.IncidentID, name writ.UpstreamToolName, arguments []byte) (r writ.UpstreamReading, err error) {
	var u gateway.Upstream
	if c.Upstreams == nil {
		return r, c.Store.View(ctx, func(tx *store.Tx) error { _, err := c.mayReach(tx, by, name); return err })
	}
	f := fronted{incident: incident, name: name}
	began := c.now()
	answer, err := c.Upstreams.Call(ctx, name, func(ask func()) (writ.Digest, []byte, error) {
		err := c.Store.Glance(ctx, func(tx *store.Tx) (err error) {
			if u, err = c.mayReach(tx, by, name); err != nil {
				return err
			}
			ask()
			f, err = c.mayFront(tx, by, u, f, arguments)
			return err
		})
		return f.pin.Digest, f.arguments.Canonical, err
	})
	if found, ok := errors.AsType[*gateway.Changed](err); ok {
		return r, first(c.turnOff(ctx, name, f.pin.Digest, found), off(name, writ.ReasonToolChanged))
	}
	if err != nil {
		return r, err
	}
	return c.recordFronted(ctx, by, u, f, arguments, answer, began)
}

// mayReach reports whether the caller may ask this upstream anything, and returns it.
func (c *Control) mayReach(tx *store.Tx, by writ.Principal, name writ.UpstreamToolName) (gateway.Upstream, error) {
	a, err := c.askerIn(tx, by, writ.RoleDiagnose, writ.RoleRepair)
	if err != nil {
		return gateway.Upstream{}, err
	}
	if err := stopped(tx, by); err != nil { // before anything is asked of the upstream
		return gateway.Upstream{}, err
	}
	u, err := c.allowed(name)
	if err == nil && by.Kind == writ.KindAgent && !u.May(a.Name) {
		err = writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("agent %s is not among those that may call upstream %s", a.Name, u.Name))
	}
	return u, err
}

func off(name writ.UpstreamToolName, why writ.Reason) error {
	return &writ.Refusal{Code: why, Kind: writ.ErrDenied, Detail: fmt.Sprintf("tool %s is off until a person approves it again", name), Hint: "go on without it: read_evidence reads through Writ's own readers"}
}

// mayFront decides a call on the facts of this transaction, and whether there is room for what it reads.
func (c *Control) mayFront(tx *store.Tx, by writ.Principal, u gateway.Upstream, f fronted, arguments []byte) (fronted, error) {
	f, err := c.decideCall(tx, by, u, f, arguments)
	if err == nil {
		err = roomForReading(tx, f.incident)
	}
	f.seen = tx.Seen()
	return f, err
}

// decideCall decides a call on the facts of this transaction.
func (c *Control) decideCall(tx *store.Tx, by writ.Principal, u gateway.Upstream, f fronted, arguments []byte) (fronted, error) {
	if err := stopped(tx, by); err != nil {
		return f, err
	}
	in, err := openIncident(tx, f.incident)
	if err != nil {
		return f, err
	}
	pin, row, known, err := loadPin(tx, f.name)
	switch {
	case err != nil:
		return f, err
	case !known:
		return f, &writ.Refusal{Code: writ.ReasonToolUnpinned, Kind: writ.ErrDenied, Detail: fmt.Sprintf("no person has approved tool %s", f.name), Hint: "go on without it: read_evidence reads through Writ's own readers"}
	case row.State != string(writ.ToolOn):
		return f, off(f.name, pin.Reason)
	}
	f.pin = pin
	d, err := c.approvals.Parse(pin.Definition)
	if err != nil {
		return f, err
	}
	if !d.Is(u.Name, pin.Digest) {
		return f, off(f.name, writ.ReasonToolChanged) // what the database holds is not what was approved
	}
	if f.arguments, err = d.Check(arguments); err != nil {
		return f, err
	}
	f.set, f.at = c.inForce(), c.now().Unix() // before they are used
	f.decision, err = c.decideFronted(tx, by, in, u, f)
	if err == nil && !f.decision.Allowed() {
		err = &writ.Refusal{Code: f.decision.Reason, Kind: writ.ErrDenied, Detail: fmt.Sprintf("policy does not allow tool %s with these arguments", f.name)}
	}
	return f, err
}

// decideFronted asks policy about the reading: an action of the group observe, of tier 0, with the named arguments.
func (c *Control) decideFronted(tx *store.Tx, by writ.Principal, in writ.Incident, u gateway.Upstream, f fronted) (writ.Decision, error) {
	service, err := c.Services.Find(in.Service)
	if err != nil {
		return writ.Decision{}, err
	}
	plan := writ.Plan{Requester: by, Service: service.Name, Environment: service.Environment, Incident: in.ID}
	ask := policy.Request{Operations: []string{string(f.name.Action())}}
	facts := &ask.Facts
	if err := c.askerFacts(tx, facts, plan); err != nil {
		return writ.Decision{}, err
	}
	facts.Incident, facts.IncidentOpen, facts.Severity = in.ID, true, &in.Severity
	facts.Service, facts.OwningTeam, facts.Env, facts.Stateful = service.Name, service.Owner, service.Environment, service.Stateful
	facts.Planes = []string{}
	if facts.Arguments, err = f.arguments.Facts(u.Tools[f.name.Tool]); err != nil {
		return writ.Decision{}, err
	}
	now := c.now()
	facts.Now = now.Unix()
	c.calendarFacts(facts, now)
	return c.judge(tx, ask, plan)
}

// recordFronted makes the entry, in a transaction that looks once more whether all this is allowed, and that keeps the bytes.
func (c *Control) recordFronted(ctx context.Context, by writ.Principal, u gateway.Upstream, f fronted, arguments []byte, got gateway.Answer, began time.Time) (r writ.UpstreamReading, err error) {
	id, err := newID[writ.EvidenceID](c, "ev")
	if err != nil {
		return r, err
	}
	text, removed := redact.Text(got.Text)
	asked, hidden := redactJSON(f.arguments.Canonical)
	// One blob holds question and answer, so that neither can be swapped.
	b := slices.Concat(keptArguments, asked, keptAnswer, []byte(text))
	blob, err := c.Store.SealBlob(ctx, blobEvidence, classEvidence, b)
	if err != nil {
		return r, err
	}
	commit, at := blob.Commitment, c.now()
	e := writ.Evidence{
		ID: id, Incident: f.incident, AskedBy: by, Source: "upstream " + u.Name, At: at, Commitment: commit, Size: len(b), Truncated: got.Cut, Writable: true, Redacted: removed + hidden, KeptUntil: at.Add(c.retention()),
		Query: writ.Query{Reader: f.name.Action(), Target: writ.Location(writ.PlaneUpstream + "://" + u.Name)},
	}
	seal := func(f fronted) *ahead {
		return c.ahead(writ.EntryUpstreamRead, f.incident, writ.UpstreamReadBody{
			Evidence: id, AskedBy: by, Name: f.name, Pin: f.pin.Digest, At: at, Commitment: commit, Size: e.Size, Redacted: e.Redacted, Truncated: e.Truncated,
			Failed: got.Failed, Policies: slices.Clone(f.decision.Policies), Policy: f.decision.Policy, Facts: f.decision.Facts, Millis: int(at.Sub(began).Milliseconds()),
		}, ref("pin", f.pin.Leaf)...)
	}
	sealing := seal(f)
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		entry := sealing
		if !c.asDecided(tx, f) || !sealing.fresh(c.Now()) {
			now, err := c.mayFront(tx, by, u, fronted{incident: f.incident, name: f.name}, arguments)
			if err != nil {
				return err
			}
			if !now.pin.Digest.Equal(f.pin.Digest) {
				return off(f.name, writ.ReasonToolChanged)
			}
			entry = seal(now)
		}
		if err := tx.PutBlob(blob); err != nil {
			return err
		}
		at, read, err := entry.append(tx)
		if err != nil {
			return err
		}
		row := store.Row{ID: string(id), Incident: string(f.incident), State: stateFronted, Due: millis(e.KeptUntil)}
		if err := store.Create(tx, store.Evidence, row, evidenceRow{Evidence: evidenceDoc{Evidence: e, Commitment: commit}, Leaf: at.hash}); err != nil {
			return err
		}
		return read()
	})
	// Committed: only now is there an answer to give.
	if err != nil {
		return r, err
	}
	c.watch.tell(f.incident)
	return writ.UpstreamReading{Evidence: id, Name: f.name, At: at, Failed: got.Failed, Text: text, Cut: got.Cut}, nil
}

// redactJSON takes secrets out of an object in canonical form.
func redactJSON(b []byte) ([]byte, int) {
	var v map[string]any
	if json.Unmarshal(b, &v) != nil {
		return []byte(redact.Mark), 1
	}
	clean, n := redact.Value(maps.Clone(v))
	out, err := json.Marshal(clean)
	if err != nil {
		return []byte(redact.Mark), 1
	}
	return out, n
}
