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
	"github.com/writ-dev/writ/internal/store"
)

// Upstreams is what control needs of the gateway. Discover and Call speak to the upstream each time they are called, within
// its timeout; Call makes the call at most once, and only after may has allowed it and the tool was seen to be the pinned one:
// otherwise its error is that of may, or *gateway.Changed. Methods may be called concurrently.
type Upstreams interface {
	Upstreams() []gateway.Upstream
	Upstream(name string) (gateway.Upstream, bool)
	Discover(ctx context.Context, upstream string) ([]gateway.Definition, error)
	Call(ctx context.Context, name writ.UpstreamToolName, may gateway.May) (gateway.Answer, error)
}

// A pinRow is what people have approved of one tool. The row's ID is the tool's name, its state a writ.ToolState.
type pinRow struct {
	Name       writ.UpstreamToolName
	Digest     writ.Digest
	Definition json.RawMessage // canonical
	Declared   bool            `json:",omitempty"`
	By         writ.Person
	Since      time.Time
	Reason     writ.Reason  `json:",omitempty"` // of its being off
	Offered    *writ.Digest `json:",omitempty"` // what stood there instead
	Leaf       writ.Digest
}

// allowed returns the upstream of a tool that the configuration allows.
func (c *Control) allowed(name writ.UpstreamToolName) (gateway.Upstream, error) {
	unknown := &writ.Refusal{Code: writ.ReasonUnknownReader, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("no tool %s is allowed by the configuration", writ.Printable(name.String(), 80)), Hint: "writ upstream list shows those that are"}
	if c.Upstreams == nil {
		return gateway.Upstream{}, unknown
	}
	u, ok := c.Upstreams.Upstream(name.Upstream)
	if !ok {
		return u, unknown
	}
	if _, ok := u.Tools[name.Tool]; !ok {
		return u, unknown
	}
	return u, nil
}

// loadPin returns what is approved of a tool; ok is false when nobody ever approved it.
func loadPin(tx *store.Tx, name writ.UpstreamToolName) (p pinRow, row store.Row, ok bool, err error) {
	p, row, err = store.Load[pinRow](tx, store.Pins, name.String())
	if errors.Is(err, writ.ErrNotFound) {
		return p, row, false, nil
	}
	return p, row, err == nil, err
}

// Pin approves one definition of one tool as a reading. Only a person of the upstream's team may, who names the digest of
// what they looked at; the upstream is asked again, and must still offer exactly that. The entry in the ledger is durable on
// return.
func (c *Control) Pin(ctx context.Context, by writ.Principal, ask writ.PinAsk) (writ.UpstreamTool, error) {
	t, err := c.pin(ctx, by, ask)
	return t, c.deny(ctx, "upstream pin", by, "", err)
}

func (c *Control) pin(ctx context.Context, by writ.Principal, ask writ.PinAsk) (t writ.UpstreamTool, err error) {
	if err := first(person(by), reasoned(ask.Reason)); err != nil {
		return t, err
	}
	u, err := c.allowed(ask.Name)
	if err != nil {
		return t, err
	}
	if err := c.Store.View(ctx, func(tx *store.Tx) error { return c.pinsFor(tx, by, u) }); err != nil {
		return t, err
	}
	if !ask.Read {
		return t, &writ.Refusal{Code: writ.ReasonToolUnfit, Kind: writ.ErrInvalid, Detail: "only readings are passed on: the pin must say read", Hint: "repairs are playbooks; writ playbook list"}
	}
	offered, err := c.Upstreams.Discover(ctx, u.Name)
	if err != nil {
		return t, err
	}
	d, err := fitting(offered, ask)
	if err != nil {
		return t, err
	}
	if now, stands, err := c.pinnedAs(ctx, ask.Name, d, ask.Declared); err != nil || stands {
		return shownTool(u, now, string(writ.ToolOn)), err
	}
	why, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(ask.Reason))
	if err != nil {
		return t, err
	}
	p := pinRow{Name: ask.Name, Digest: d.Digest(), Definition: d.Canonical(), Declared: ask.Declared && d.Writes() != "", By: writ.Person{Iss: by.Iss, Sub: by.Sub}, Since: c.now()}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := c.pinsFor(tx, by, u); err != nil {
			return err
		}
		return c.enterPin(tx, p, writ.ToolOn, writ.PinBody{By: by, Read: true, Declared: p.Declared, Why: &why})
	})
	return shownTool(u, p, string(writ.ToolOn)), err
}

// pinnedAs returns what is approved of a tool when it is on as exactly what is to be approved: a call that is made again changes nothing.
func (c *Control) pinnedAs(ctx context.Context, name writ.UpstreamToolName, d gateway.Definition, declared bool) (p pinRow, ok bool, err error) {
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		var row store.Row
		p, row, ok, err = loadPin(tx, name)
		ok = ok && row.State == string(writ.ToolOn) && p.Digest.Equal(d.Digest()) && p.Declared == (declared && d.Writes() != "")
		return err
	})
	return p, ok, err
}

// fitting returns the definition that a person looked at, if it still stands and can be approved.
func fitting(offered []gateway.Definition, ask writ.PinAsk) (d gateway.Definition, err error) {
	if err := gateway.Compare(offered, ask.Name.Tool, ask.Digest); err != nil {
		return d, &writ.Refusal{Code: writ.ReasonToolChanged, Kind: writ.ErrConflict, Detail: err.Error() + ", not the one of that digest", Hint: "look at it again: writ upstream show " + ask.Name.String()}
	}
	d = offered[slices.IndexFunc(offered, func(o gateway.Definition) bool { return o.Name == ask.Name.Tool })]
	if err := d.Fit(); err != nil {
		return d, err
	}
	if writes := d.Writes(); writes != "" && !ask.Declared {
		return d, &writ.Refusal{
			Code: writ.ReasonToolUnfit, Kind: writ.ErrDenied, Detail: "the tool looks like one that changes something: " + writes,
			Hint: "if you know that it only reads, vouch for it: writ upstream pin --vouch-read",
		}
	}
	return d, nil
}

// pinsFor admits people of the upstream's team.
func (c *Control) pinsFor(tx *store.Tx, by writ.Principal, u gateway.Upstream) error {
	teams, err := c.teams(tx, by)
	if err != nil || slices.Contains(teams, u.Team) {
		return err
	}
	return &writ.Refusal{Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: fmt.Sprintf("only a person of team %s approves tools of upstream %s", u.Team, u.Name), Hint: "anybody may turn one off: writ upstream unpin"}
}

// enterPin writes a pin's entry and row.
func (c *Control) enterPin(tx *store.Tx, p pinRow, to writ.ToolState, body writ.PinBody) error {
	_, row, known, err := loadPin(tx, p.Name)
	if err != nil {
		return err
	}
	body.Name, body.State, body.Digest = p.Name, to, p.Digest
	e, err := c.append(tx, writ.EntryPin, "", body)
	if err != nil {
		return err
	}
	p.Leaf = e.hash
	if !known {
		return store.Create(tx, store.Pins, store.Row{ID: p.Name.String(), State: string(to)}, p)
	}
	was := row.State
	row.State = string(to)
	return store.Save(tx, store.Pins, row, was, p)
}

// Unpin turns a tool off until it is approved again. Any person may, as with a freeze.
func (c *Control) Unpin(ctx context.Context, by writ.Principal, name writ.UpstreamToolName, reason string) (writ.UpstreamTool, error) {
	var t writ.UpstreamTool
	err := func() error {
		if err := first(person(by), reasoned(reason)); err != nil {
			return err
		}
		u, err := c.allowed(name)
		if err != nil {
			return err
		}
		why, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(reason))
		if err != nil {
			return err
		}
		return c.Store.Update(ctx, func(tx *store.Tx) error {
			p, row, known, err := loadPin(tx, name)
			if err != nil {
				return err
			}
			if !known || row.State != string(writ.ToolOn) {
				return &writ.Refusal{Code: writ.ReasonToolUnpinned, Kind: writ.ErrConflict, Detail: fmt.Sprintf("tool %s is not on", name)}
			}
			p.Reason, p.Since, p.Offered = writ.ReasonToolUnpinned, c.now(), nil
			t = shownTool(u, p, string(writ.ToolOff))
			return c.enterPin(tx, p, writ.ToolOff, writ.PinBody{By: by, Reason: p.Reason, Why: &why})
		})
	}()
	return t, c.deny(ctx, "upstream unpin", by, "", err)
}

// turnOff turns a tool off that is not what was approved, once, and for all replicas. It stays off when the upstream
// offers the old definition again.
func (c *Control) turnOff(ctx context.Context, name writ.UpstreamToolName, pinned writ.Digest, found *gateway.Changed) error {
	c.Log.Warn("a tool of an upstream is not what was approved, and is off", "tool", name.String(), "why", found.Error())
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		p, row, known, err := loadPin(tx, name)
		if err != nil || !known || row.State != string(writ.ToolOn) || !p.Digest.Equal(pinned) {
			return err // somebody has seen it, or has approved another
		}
		p.Reason, p.Since, p.Offered = writ.ReasonToolChanged, c.now(), nil
		if found.Offered != nil {
			p.Offered = new(found.Offered.Digest())
		}
		return c.enterPin(tx, p, writ.ToolOff, writ.PinBody{By: c.self, Reason: p.Reason, Offered: p.Offered})
	})
}

// VerifyUpstream asks an upstream what it offers, and turns off whatever is not what was approved. It returns the allowed
// tools of that upstream with what is offered; people only.
func (c *Control) VerifyUpstream(ctx context.Context, by writ.Principal, upstream string) ([]writ.UpstreamTool, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	if c.Upstreams == nil {
		return nil, fmt.Errorf("%w: no upstreams are configured", writ.ErrNotFound)
	}
	u, ok := c.Upstreams.Upstream(upstream)
	if !ok {
		return nil, &writ.Refusal{Code: writ.ReasonUnknownReader, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("there is no upstream %q", writ.Printable(upstream, 40)), Hint: "writ upstream list shows them"}
	}
	offered, err := c.compare(ctx, u)
	if err != nil {
		return nil, err
	}
	all, err := c.upstreamTools(ctx, u)
	for i, t := range all {
		j := slices.IndexFunc(offered, func(d gateway.Definition) bool { return d.Name == t.Name.Tool })
		if j < 0 {
			continue
		}
		d := offered[j]
		all[i].Offers, all[i].Offered = d.Digest().String(), d.Canonical()
		if err := d.Fit(); err != nil {
			all[i].Refused = refusalText(err)
		} else if writes := d.Writes(); writes != "" {
			all[i].Refused = "it looks like a tool that changes something: " + writes
		}
	}
	return all, err
}

func refusalText(err error) string {
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		return r.Detail
	}
	return writ.Printable(err.Error(), 200)
}

// compare turns off what differs from what was approved.
func (c *Control) compare(ctx context.Context, u gateway.Upstream) ([]gateway.Definition, error) {
	offered, err := c.Upstreams.Discover(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	for _, tool := range slices.Sorted(maps.Keys(u.Tools)) {
		name := writ.UpstreamToolName{Upstream: u.Name, Tool: tool}
		var pinned writ.Digest
		err := c.Store.View(ctx, func(tx *store.Tx) error {
			p, row, known, err := loadPin(tx, name)
			if known && row.State == string(writ.ToolOn) {
				pinned = p.Digest
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if pinned.IsZero() {
			continue
		}
		if found, ok := errors.AsType[*gateway.Changed](gateway.Compare(offered, tool, pinned)); ok {
			if err := c.turnOff(ctx, name, pinned, found); err != nil {
				return nil, err
			}
		}
	}
	return offered, nil
}

// UpstreamTools lists all allowed tools, as they were last seen; people only.
func (c *Control) UpstreamTools(ctx context.Context, by writ.Principal) ([]writ.UpstreamTool, error) {
	if err := person(by); err != nil || c.Upstreams == nil {
		return nil, err
	}
	var out []writ.UpstreamTool
	for _, u := range c.Upstreams.Upstreams() {
		all, err := c.upstreamTools(ctx, u)
		if err != nil {
			return nil, err
		}
		out = append(out, all...)
	}
	return out, nil
}

func (c *Control) upstreamTools(ctx context.Context, u gateway.Upstream) ([]writ.UpstreamTool, error) {
	var out []writ.UpstreamTool
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		for _, tool := range slices.Sorted(maps.Keys(u.Tools)) {
			name := writ.UpstreamToolName{Upstream: u.Name, Tool: tool}
			p, row, known, err := loadPin(tx, name)
			if err != nil {
				return err
			}
			if !known {
				out = append(out, writ.UpstreamTool{Name: name, State: writ.ToolUnpinned, Team: u.Team})
				continue
			}
			out = append(out, shownTool(u, p, row.State))
		}
		return nil
	})
}

func shownTool(u gateway.Upstream, p pinRow, state string) writ.UpstreamTool {
	t := writ.UpstreamTool{
		Name: p.Name, State: writ.ToolState(state), Reason: p.Reason, Pinned: p.Digest.String(), Definition: p.Definition, Declared: p.Declared, By: p.By,
		Since: new(p.Since), Team: u.Team,
	}
	if t.State == writ.ToolOff {
		switch {
		case p.Reason != writ.ReasonToolChanged:
			t.Detail = "a person withdrew the approval"
		case p.Offered == nil:
			t.Detail = "the upstream stopped offering it"
		default:
			t.Detail = "the upstream offered another tool under this name, of digest " + p.Offered.String()
		}
	}
	return t
}

func pinSentence(b writ.PinBody) string {
	switch {
	case b.State == writ.ToolOn && b.Declared:
		return fmt.Sprintf("%s approved tool %s as a reading, against its name or annotations, digest %s", name(b.By), b.Name, short(b.Digest))
	case b.State == writ.ToolOn:
		return fmt.Sprintf("%s approved tool %s as a reading, digest %s", name(b.By), b.Name, short(b.Digest))
	case b.Reason == writ.ReasonToolChanged && b.Offered == nil:
		return fmt.Sprintf("tool %s is off: its upstream stopped offering it", b.Name)
	case b.Reason == writ.ReasonToolChanged:
		return fmt.Sprintf("tool %s is off: its upstream offered another definition, digest %s", b.Name, short(*b.Offered))
	}
	return fmt.Sprintf("%s turned tool %s off", name(b.By), b.Name)
}

// upstreamEvery is how often upstreams are looked at beside every call: what has changed shows within a minute also where
// nobody calls.
const upstreamEvery = time.Minute

// WatchUpstreams looks at every upstream now and then, and when one says on changed that its tools have changed. It
// only turns tools off. It returns when ctx ends.
func (c *Control) WatchUpstreams(ctx context.Context, changed <-chan string) {
	if c.Upstreams == nil {
		return
	}
	look := func(u gateway.Upstream) {
		if _, err := c.compare(ctx, u); err != nil && ctx.Err() == nil {
			c.Log.Warn("an upstream could not be looked at", "upstream", u.Name, "error", err)
		}
	}
	tick := time.NewTicker(upstreamEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-changed:
			if u, ok := c.Upstreams.Upstream(name); ok {
				look(u)
			}
		case <-tick.C:
			for _, u := range c.Upstreams.Upstreams() {
				look(u)
			}
		}
	}
}
