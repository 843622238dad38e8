package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/store"
)

// A Rota knows who holds the turns of a group: a calendar, or an on-call tool. Turns returns those that touch the time from from to
// until, of people of the roster; whoever else it names is left out. It returns before ctx ends, may be called by several
// goroutines, and its errors show nothing of what the source sent and no secret. The caller tries again.
type Rota interface {
	Turns(ctx context.Context, from, until time.Time) ([]RotaTurn, error)
}

// A RotaTurn is one turn that a source names.
type RotaTurn = writ.RotaTurn

// An OnCall is one group of the roster whose turns a source knows. The source only narrows: of those whom it names, the
// members of the group may answer for it, and nobody else, whatever it says.
type OnCall struct {
	Group    string
	Kind     string // file, ical or pagerduty
	Rota     Rota
	Every    time.Duration // how often it is asked
	MaxAge   time.Duration // how old its last answer may be and still be believed
	Fallback string        // group whose members, as far as they are of Group too, answer when it is not believed; empty: nobody does
}

// Bounds of asking sources.
const (
	rotaTimeout = 20 * time.Second // of one question to one source
	rotaAhead   = 2 * time.Hour    // beyond MaxAge: a clock that is off finds a turn all the same
	maxTurns    = 1000             // of one answer
)

// An onCallRow is what a source said last, and who was said in the ledger to be on call.
type onCallRow struct {
	Turns   []RotaTurn
	AsOf    time.Time `json:",omitzero"` // of the last answer
	Tried   time.Time // of the last question, by whichever replica
	Problem string    `json:",omitempty"` // of the last question

	Said   []writ.Person    `json:",omitempty"`
	SaidAs writ.OnCallState `json:",omitempty"`
}

// checkOnCall refuses a group that nobody is of, or a fallback that could never answer.
func (c *Config) checkOnCall() error {
	seen := map[string]bool{}
	for _, o := range c.OnCall {
		bad := func(what string) error {
			return fmt.Errorf("%w: on call: group %s: %s", writ.ErrInvalid, writ.Printable(o.Group, 60), what)
		}
		of := members(c.Roster, o.Group)
		switch {
		case !writ.IsName(o.Group) || seen[o.Group]:
			return bad("its name must be a plain name of its own")
		case o.Rota == nil || o.Every <= 0 || o.MaxAge < o.Every:
			return bad("it needs a source, and an age of at least the time between two questions to it")
		case len(of) == 0:
			return bad("no approver is of this group")
		case o.Fallback != "" && !slices.ContainsFunc(of, func(m approval.Member) bool { return slices.Contains(m.Groups, o.Fallback) }):
			return bad(fmt.Sprintf("no member is of its fallback %s, too", writ.Printable(o.Fallback, 60)))
		}
		seen[o.Group] = true
	}
	return nil
}

func members(r approval.Roster, group string) []approval.Member {
	return slices.DeleteFunc(slices.Clone(r), func(m approval.Member) bool { return !slices.Contains(m.Groups, group) })
}

// onCallOf returns the source of a group; nil when none is configured.
func (c *Control) onCallOf(group string) *OnCall {
	i := slices.IndexFunc(c.OnCall, func(o OnCall) bool { return o.Group == group })
	if i < 0 {
		return nil
	}
	return &c.OnCall[i]
}

// turns says who holds the turns of a group now, by its source or its fallback, before anything was handed over.
func (c *Control) turns(tx *store.Tx, o OnCall, of []approval.Member) (writ.OnCallGroup, error) {
	out := writ.OnCallGroup{Group: o.Group, Source: o.Kind, State: writ.OnCallKnown, Fallback: o.Fallback}
	doc, _, err := store.Load[onCallRow](tx, store.OnCall, o.Group)
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return out, err
	}
	now := c.now()
	out.Problem = doc.Problem
	if !doc.AsOf.IsZero() {
		out.AsOf = &doc.AsOf
	}
	// I05: what is too old, or from a clock that is ahead, is not believed.
	fresh := !doc.AsOf.IsZero() && now.Sub(doc.AsOf) <= o.MaxAge && doc.AsOf.Sub(now) <= o.MaxAge
	if fresh {
		for _, t := range doc.Turns {
			if now.Before(t.From) || !t.Until.IsZero() && !now.Before(t.Until) {
				continue
			}
			i := slices.IndexFunc(of, func(m approval.Member) bool { return m.Person() == t.Person || slices.Contains(m.Accounts, t.Person) })
			if i < 0 { // the source only narrows
				continue
			}
			out.Turns = append(out.Turns, turnOf(of[i].Person(), t.Until))
		}
		out.Turns = longest(out.Turns)
	}
	if len(out.Turns) > 0 {
		return out, nil
	}
	switch {
	case fresh:
		out.Problem = "it names nobody of the group now"
	case out.Problem == "":
		out.Problem = "it has not answered for too long"
	}
	out.State = writ.OnCallNobody
	for _, m := range of {
		if o.Fallback != "" && slices.Contains(m.Groups, o.Fallback) {
			out.Turns, out.State = append(out.Turns, writ.Turn{Person: m.Person()}), writ.OnCallFallback
		}
	}
	return out, nil
}

func turnOf(p writ.Person, until time.Time) writ.Turn {
	if until.IsZero() {
		return writ.Turn{Person: p}
	}
	return writ.Turn{Person: p, Until: &until}
}

// longest keeps of each person the turn that ends last.
func longest(all []writ.Turn) []writ.Turn {
	var out []writ.Turn
	for _, t := range all {
		i := slices.IndexFunc(out, func(o writ.Turn) bool { return o.Person == t.Person })
		switch {
		case i < 0:
			out = append(out, t)
		case out[i].Until != nil && (t.Until == nil || t.Until.After(*out[i].Until)):
			out[i] = t
		}
	}
	slices.SortFunc(out, func(a, b writ.Turn) int { return comparePeople(a.Person, b.Person) })
	return out
}

func comparePeople(a, b writ.Person) int {
	return cmp.Or(cmp.Compare(a.Iss, b.Iss), cmp.Compare(a.Sub, b.Sub))
}

// held says who holds the turns of a group now, with what was handed over.
func (c *Control) held(tx *store.Tx, o OnCall, of []approval.Member) (writ.OnCallGroup, error) {
	out, err := c.turns(tx, o, of)
	if err != nil {
		return out, err
	}
	given, _, err := c.delegations(tx, o.Group)
	if err != nil {
		return out, err
	}
	own := slices.Clone(out.Turns)
	for _, d := range given {
		i := slices.IndexFunc(own, func(t writ.Turn) bool { return t.Person == d.From })
		if i < 0 || !slices.ContainsFunc(of, func(m approval.Member) bool { return m.Person() == d.To }) {
			continue // its giver is not on call: it moves a turn and makes none
		}
		out.Turns = slices.DeleteFunc(out.Turns, func(t writ.Turn) bool { return t.Person == d.From && t.For == nil })
		until := d.Until
		if own[i].Until != nil && own[i].Until.Before(until) {
			until = *own[i].Until
		}
		out.Turns = append(out.Turns, writ.Turn{Person: d.To, Until: &until, For: &d.From, Delegation: d.ID})
	}
	return out, nil
}

// narrow takes from the roster's members the groups whose turns they do not hold now.
func (c *Control) narrow(tx *store.Tx, roster approval.Roster) error {
	whole := slices.Clone(roster) // a fallback may be narrowed, too
	for _, o := range c.OnCall {
		g, err := c.held(tx, o, members(whole, o.Group))
		if err != nil {
			return err
		}
		for i, m := range roster {
			if !slices.ContainsFunc(g.Turns, func(t writ.Turn) bool { return t.Person == m.Person() }) {
				roster[i].Groups = slices.DeleteFunc(slices.Clone(m.Groups), func(x string) bool { return x == o.Group })
			}
		}
	}
	return nil
}

// OnCalls says for each group with a source, and each other that ends with -oncall, who is on call; people only.
func (c *Control) OnCalls(ctx context.Context, by writ.Principal) ([]writ.OnCallGroup, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	var out []writ.OnCallGroup
	return out, c.Store.View(ctx, func(tx *store.Tx) (err error) {
		out, err = c.onCallGroups(tx)
		return err
	})
}

func (c *Control) onCallGroups(tx *store.Tx) ([]writ.OnCallGroup, error) {
	roster, err := c.mapped(tx)
	if err != nil {
		return nil, err
	}
	var out []writ.OnCallGroup
	for _, o := range c.OnCall {
		g, err := c.held(tx, o, members(roster, o.Group))
		if err != nil {
			return nil, err
		}
		for _, m := range members(roster, o.Group) {
			g.Members = append(g.Members, m.Person())
		}
		out = append(out, g)
	}
	for _, m := range roster {
		for _, name := range m.Groups {
			i := slices.IndexFunc(out, func(g writ.OnCallGroup) bool { return g.Group == name })
			switch {
			case i < 0 && isOnCallGroup(name):
				out = append(out, writ.OnCallGroup{Group: name, Source: string(writ.OnCallRoster), State: writ.OnCallRoster, Turns: []writ.Turn{{Person: m.Person()}}})
			case i >= 0 && out[i].State == writ.OnCallRoster:
				out[i].Turns = append(out[i].Turns, writ.Turn{Person: m.Person()})
			}

		}
	}
	return out, nil
}

func isOnCallGroup(name string) bool {
	return len(name) > len(onCallEnd) && name[len(name)-len(onCallEnd):] == onCallEnd
}

const onCallEnd = "-oncall"

// badOnCall are the groups whose source does not say who is on call.
func (c *Control) badOnCall(tx *store.Tx) ([]writ.OnCallGroup, error) {
	if len(c.OnCall) == 0 {
		return nil, nil
	}
	all, err := c.onCallGroups(tx)
	return slices.DeleteFunc(all, func(g writ.OnCallGroup) bool { return !g.State.Bad() }), err
}

// WatchOnCall asks the sources until ctx ends. It logs what fails and goes on; what the sources last said stands in the
// store, where all replicas find it, and grows too old by itself.
func (c *Control) WatchOnCall(ctx context.Context) {
	var all sync.WaitGroup
	for _, o := range c.OnCall {
		all.Go(func() {
			t := time.NewTicker(min(o.Every, onCallTick))
			defer t.Stop()
			for {
				if err := c.AskOnCall(ctx, o.Group); err != nil && ctx.Err() == nil {
					c.Log.Error("who is on call could not be written down", "group", o.Group, "error", err)
				}
				select {
				case <-t.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	all.Wait()
}

// onCallTick is how often it is looked whether a turn began or ended since it was last said.
const onCallTick = 10 * time.Second

// AskOnCall asks the source of a group when its time has come, and writes down what it said; and it enters into the ledger
// who is on call when that has changed. Of several replicas one asks.
func (c *Control) AskOnCall(ctx context.Context, group string) error {
	o := c.onCallOf(group)
	if o == nil {
		return fmt.Errorf("%w: no on-call source of group %s", writ.ErrNotFound, writ.Printable(group, 60))
	}
	due, news := false, false
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		doc, _, err := store.Load[onCallRow](tx, store.OnCall, group)
		if err != nil && !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		due = doc.Tried.IsZero() || !c.now().Before(doc.Tried.Add(o.Every)) || doc.Tried.After(c.now().Add(o.Every))
		_, _, news, err = c.changed(tx, *o, doc)
		return err
	})
	if err != nil || !due && !news {
		return err
	}
	var turns []RotaTurn
	var failed error
	if due {
		limited, cancel := context.WithTimeout(ctx, rotaTimeout)
		turns, failed = o.Rota.Turns(limited, c.now(), c.now().Add(o.MaxAge+rotaAhead))
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(turns) > maxTurns {
			failed = fmt.Errorf("%w: it has more than %d turns in the hours ahead", writ.ErrInvalid, maxTurns)
		}
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		doc, row, err := store.Load[onCallRow](tx, store.OnCall, group)
		if err != nil && !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		if due {
			doc.Tried, doc.Problem = c.now(), ""
			if failed != nil {
				doc.Problem = writ.Printable(failed.Error(), 200)
			} else {
				doc.Turns, doc.AsOf = turns, c.now()
			}
		}
		if err := c.saveOnCall(tx, group, row, doc); err != nil {
			return err
		}
		said, people, news, err := c.changed(tx, *o, doc)
		if err != nil || !news {
			return err
		}
		if _, err := c.append(tx, writ.EntryOnCall, "", writ.OnCallBody{Group: group, Source: o.Kind, State: said.State, People: people, AsOf: said.AsOf}); err != nil {
			return err
		}
		if row, err = tx.Get(store.OnCall, group); err != nil {
			return err
		}
		doc.Said, doc.SaidAs = people, said.State
		return c.saveOnCall(tx, group, row, doc)
	})
}

func (c *Control) saveOnCall(tx *store.Tx, group string, row store.Row, doc onCallRow) error {
	if row.ID == "" {
		return store.Create(tx, store.OnCall, store.Row{ID: group, State: stateOn}, doc)
	}
	return store.Save(tx, store.OnCall, row, row.State, doc)
}

// changed reports whether others are on call, or it is known in another way, than the ledger says.
func (c *Control) changed(tx *store.Tx, o OnCall, doc onCallRow) (writ.OnCallGroup, []writ.Person, bool, error) {
	g, err := c.turns(tx, o, members(c.Roster, o.Group))
	var people []writ.Person
	for _, t := range g.Turns {
		people = append(people, t.Person)
	}
	slices.SortFunc(people, comparePeople)
	return g, people, err == nil && (g.State != doc.SaidAs || !slices.Equal(people, doc.Said)), err
}

func onCallSentence(b writ.OnCallBody) string {
	switch b.State {
	case writ.OnCallKnown:
		return fmt.Sprintf("on call for %s: %s, says its %s source", writ.Printable(b.Group, 60), subs(b.People), b.Source)
	case writ.OnCallFallback:
		return fmt.Sprintf("who is on call for %s is not known: the fallback answers, %s", writ.Printable(b.Group, 60), subs(b.People))
	}
	return fmt.Sprintf("who is on call for %s is not known, and nobody answers for it", writ.Printable(b.Group, 60))
}

// subs lists people for a sentence.
func subs(people []writ.Person) string {
	out := ""
	for i, p := range people {
		if i == 5 {
			return out + fmt.Sprintf(" and %d more", len(people)-i)
		}
		if i > 0 {
			out += ", "
		}
		out += writ.Printable(p.Sub, 60)
	}
	return out
}
