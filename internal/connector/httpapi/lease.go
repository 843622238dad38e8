package httpapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
)

// A handle is what the runner keeps of a lease: enough to end it and to prove that it is dead. It holds the tokens, so
// it is as secret as they are, for as long as they live.
//
// An access token has its power from birth, and no endpoint takes a name for it beforehand. So there are two ways:
//   - GrantTokenExchange: the first token can do nothing but be exchanged. It is kept, then exchanged for the one with
//     power, which dies with it. Whatever crashes in between, what was kept ends what was made.
//   - GrantClientCredentials: the token has its power before it can be kept. The handle before it names the latest
//     time at which a token that was lost on its way can still live. Nobody holds such a token; until then the lease
//     is not proven dead.
type handle struct {
	V         int    `json:"v"`
	Client    string `json:"client"`
	Subject   string `json:"subject,omitempty"`
	Token     string `json:"token,omitempty"`
	LostUntil int64  `json:"lost_until,omitempty"` // Unix milliseconds
}

// A right to make the calls of a lease.
type allowed struct {
	step  connector.Prepared
	op    *operation
	write endpoint // of the step, or of its inverse
	scope string
}

// lease implements connector.Lease. mu guards what follows it; Revoke may come at any time.
type lease struct {
	x      *Connector
	client ClientConfig
	undo   bool
	calls  []allowed

	ctx    context.Context // ends with Revoke, and with it every request under way
	cancel context.CancelFunc
	busy   sync.RWMutex // held for reading while a request with the token is under way

	mu      sync.Mutex
	is      handle
	revoked bool
}

var _ connector.Lease = (*lease)(nil)

// Lease mints a token with exactly the scopes of r's calls, by the client whose class r's tier falls in.
func (x *Connector) Lease(ctx context.Context, r connector.LeaseRequest, keep func([]byte) error) (connector.Lease, error) {
	client, err := x.minter(r.Tier)
	if err != nil {
		return nil, err
	}
	l, err := x.prepare(r)
	if err != nil {
		return nil, err
	}
	l.client = client
	if r.TTL < time.Second {
		return nil, writ.Refuse(writ.ReasonLeaseFailed, "a lease lives at least a second")
	}
	scopes := l.scopes()
	next := handle{V: writ.FormatVersion, Client: l.client.ID}
	if x.token.Grant == GrantTokenExchange {
		subject, err := x.mint(ctx, l.client, []string{x.token.SubjectScope}, r.TTL, "")
		if err != nil {
			return nil, err
		}
		next.Subject = subject.text
	} else {
		next.LostUntil = x.now().Add(r.TTL + lifeSlack + callTime).UnixMilli()
	}
	if err := l.keep(ctx, next, keep); err != nil {
		return nil, err
	}
	m, err := x.mint(ctx, l.client, scopes, r.TTL, next.Subject)
	if err != nil {
		return nil, l.abandon(ctx, err)
	}
	next.Token, next.LostUntil = m.text, 0
	if err := l.keep(ctx, next, keep); err != nil {
		return nil, err
	}
	return l, nil
}

// keep makes h the lease's handle. If it cannot be kept, everything that was minted is revoked at once.
func (l *lease) keep(ctx context.Context, h handle, keep func([]byte) error) error {
	l.is = h
	b, err := canon.Marshal(h)
	if err == nil {
		err = keep(b)
	}
	if err != nil {
		return l.abandon(ctx, fmt.Errorf("the handle was not kept: %w", err))
	}
	return nil
}

// abandon revokes what was minted so far, whatever happened to ctx.
func (l *lease) abandon(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*dialTime)
	defer cancel()
	return errors.Join(why, l.Revoke(ctx))
}

// Reopen returns the lease of a handle. Without a handle nothing with power was ever made, since the handle comes
// first; then there is nothing to revoke, and the lease is proven dead even where no client could have minted it.
func (x *Connector) Reopen(r connector.LeaseRequest, b []byte) (connector.Lease, error) {
	l, err := x.prepare(r)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return l, nil
	}
	var h handle
	if err := canon.Parse(b, &h); err != nil || h.V != writ.FormatVersion {
		return nil, fmt.Errorf("%w: the handle of lease %s", writ.ErrInvalid, writ.Printable(r.Name, 80))
	}
	i := slices.IndexFunc(x.token.Clients, func(k ClientConfig) bool { return k.ID == h.Client })
	if i < 0 {
		return nil, fmt.Errorf("%w: lease %s was minted by a client that is not configured any more", writ.ErrInvalid, writ.Printable(r.Name, 80))
	}
	l.client, l.is = x.token.Clients[i], h
	return l, nil
}

// minter is the client whose class a tier falls in.
func (x *Connector) minter(t writ.Tier) (ClientConfig, error) {
	i := slices.IndexFunc(x.token.Clients, func(k ClientConfig) bool { return k.Tier >= t })
	if i < 0 || t < writ.T1 {
		return ClientConfig{}, writ.Refuse(writ.ReasonLeaseFailed, fmt.Sprintf("no OAuth client mints leases of %s", t))
	}
	return x.token.Clients[i], nil
}

// prepare checks that r's steps are calls of the allow-list at its tier.
func (x *Connector) prepare(r connector.LeaseRequest) (*lease, error) {
	refuse := func(format string, args ...any) (*lease, error) {
		return nil, writ.Refuse(writ.ReasonLeaseFailed, fmt.Sprintf(format, args...))
	}
	if r.Name == "" || len(r.Steps) == 0 {
		return refuse("a lease has a name and at least one step")
	}
	l := &lease{x: x, undo: r.Undo}
	for _, p := range r.Steps {
		if err := p.Check(); err != nil {
			return nil, err
		}
		o, err := x.again(p)
		if err != nil {
			return nil, err
		}
		if o.tier > r.Tier {
			return refuse("step %s is %s, above the lease's %s", p.Step.Key, o.tier, r.Tier)
		}
		a := allowed{step: p, op: o, write: o.write, scope: o.scope.expand(p.Step.With, same)}
		if r.Undo {
			if o.inverse == nil {
				return refuse("step %s has no undo", p.Step.Key)
			}
			a.write, a.scope = o.inverse.write, o.inverse.scope.expand(p.Step.With, same)
		}
		l.calls = append(l.calls, a)
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// again derives the call of a step anew from its operation and parameters, and demands that it is the step's own
// (invariant I03): the bytes that were approved are those that the allow-list allows. A step that reverts makes the
// inverse call of its operation.
func (x *Connector) again(p connector.Prepared) (*operation, error) {
	o, ok := x.operations[p.Step.Operation]
	if !ok {
		return nil, writ.Refuse(writ.ReasonCallAltered, fmt.Sprintf("step %s: the operation is not on the allow-list", p.Step.Key))
	}
	err := x.is(o, p)
	if err == nil || p.Step.Reverts == "" || o.inverse == nil {
		return o, err
	}
	back := o.reversed()
	return back, x.is(back, p)
}

// is demands that a step's call is the one that o makes of its parameters.
func (x *Connector) is(o *operation, p connector.Prepared) error {
	altered := func(what string) error {
		return writ.Refuse(writ.ReasonCallAltered, fmt.Sprintf("step %s: %s", p.Step.Key, what))
	}
	if err := o.write.checkParameters(p.Step.With); err != nil {
		return err
	}
	location, err := x.locate(o.object, p.Step.With, []writ.Location{x.target})
	if err != nil {
		return err
	}
	call, body, err := x.call(o.write, p.Step.With)
	if err != nil {
		return err
	}
	call.Body = p.Step.Call.Body // p.Check has compared it with p.Body
	switch {
	case call != p.Step.Call || string(body) != string(p.Body):
		return altered("the call is not the one that its operation and parameters give")
	case location != p.Step.Object.Location:
		return altered("the object is not the one that its parameters name")
	}
	return nil
}

func (l *lease) scopes() []string {
	var out []string
	for _, c := range l.calls {
		out = append(out, c.scope)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Rights lists the scopes.
func (l *lease) Rights() []string {
	var out []string
	for _, s := range l.scopes() {
		out = append(out, right(s)+" on "+string(l.x.target))
	}
	return out
}

// find returns the lease's own entry for p, for the call or for its undo. A step that the lease was not made for is
// forbidden; one of its steps in another form is altered.
func (l *lease) find(p connector.Prepared, undo bool) (allowed, error) {
	i := slices.IndexFunc(l.calls, func(a allowed) bool { return a.step.Step.Key == p.Step.Key })
	key := writ.Printable(p.Step.Key, 60)
	if i < 0 {
		return allowed{}, writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("the lease was not made for step %s", key))
	}
	a := l.calls[i]
	mine, other := a.step.Step, p.Step
	if mine.Operation != other.Operation || !maps.Equal(mine.With, other.With) || mine.Call != other.Call || mine.Object != other.Object ||
		string(a.step.Body) != string(p.Body) || string(a.step.Preimage) != string(p.Preimage) {
		return allowed{}, writ.Refuse(writ.ReasonCallAltered, fmt.Sprintf("step %s is not as the lease was made for", key))
	}
	if undo != l.undo {
		return allowed{}, writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("the lease for step %s is of the other direction", key))
	}
	return a, nil
}

// token is the live token, if the lease still has one.
func (l *lease) token() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.is.Token, l.is.Token != "" && !l.revoked
}
