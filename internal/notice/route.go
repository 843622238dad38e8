package notice

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// A Route says who is told of which facts. Empty conditions hold for every fact.
type Route struct {
	Events   []writ.NoticeEvent
	Teams    []string
	Severity int // of the incident: this one and worse; 0 means any, and facts without an incident too
	Silent   bool
	Hops     []Hop // one after the other
}

// A Hop is one place of a route: a channel, or each member of a group on it, one after the other.
type Hop struct {
	Channel string
	Group   string // "" means the channel's own recipients; GroupOwner the team that answers for the service
	Wait    time.Duration
}

// GroupOwner and GroupOncall stand for groups that the fact's service determines, as in policies.
const (
	GroupOwner  = "owner"
	GroupOncall = "oncall"
)

// Routes are looked at in their order; the first one whose conditions hold is taken.
type Routes []Route

// Check refuses routes that could leave a fact untold, or that name a channel that is not there.
func (r Routes) Check(channels []string) error {
	if len(r) == 0 {
		return fmt.Errorf("%w: routes must name at least one, so that nothing is told to nobody", writ.ErrInvalid)
	}
	for i, x := range r {
		wrong := func(format string, args ...any) error {
			return fmt.Errorf("%w: routes[%d]%s", writ.ErrInvalid, i, fmt.Sprintf(format, args...))
		}
		last := i == len(r)-1
		if all := len(x.Events)+len(x.Teams)+x.Severity == 0; all != last {
			if last {
				return wrong(" is the last and must have no conditions, so that nothing is told to nobody")
			}
			return wrong(" has no conditions: the routes after it would never be taken")
		}
		for _, e := range x.Events {
			if _, ok := writ.NoticeEvents[e]; !ok || e == writ.NoticeTest {
				return wrong(".events: there is no event %q; events are %v", writ.Printable(string(e), 40), Events())
			}
		}
		for _, t := range x.Teams {
			if !writ.IsName(t) {
				return wrong(".teams: %q is not the name of a team", writ.Printable(t, 40))
			}
		}
		switch {
		case x.Severity < 0 || x.Severity > 4:
			return wrong(".severity is 1, the worst, to 4")
		case x.Silent != (len(x.Hops) == 0):
			return wrong(" has either to, with at least one channel, or silent: true")
		case x.Silent && last:
			return wrong(" is the last and cannot be silent")
		case len(x.Hops) > MaxStops:
			return wrong(".to has more than %d places", MaxStops)
		}
		for k, h := range x.Hops {
			if !slices.Contains(channels, h.Channel) {
				return wrong(".to[%d]: there is no channel %q; channels are %v", k, writ.Printable(h.Channel, 40), channels)
			}
			if h.Group != "" && !writ.IsName(h.Group) || h.Wait < 0 {
				return wrong(".to[%d]: group is a name, owner or oncall, and wait longer than nothing", k)
			}
		}
	}
	return nil
}

// Events lists the events that a route may name, sorted.
func Events() []writ.NoticeEvent {
	var out []writ.NoticeEvent
	for e := range writ.NoticeEvents {
		if e != writ.NoticeTest {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return out
}

// For returns the route of a fact; false when nobody is to be told.
func (r Routes) For(f Fact) (int, bool) {
	i := slices.IndexFunc(r, func(x Route) bool {
		return (len(x.Events) == 0 || slices.Contains(x.Events, f.Event)) && (len(x.Teams) == 0 || slices.Contains(x.Teams, f.Team)) &&
			(x.Severity == 0 || f.Severity != 0 && f.Severity <= x.Severity)
	})
	return i, i >= 0 && !r[i].Silent
}

// Stops resolves a route for a fact: members returns the people of a group who have an address on a channel, in the order of
// the roster. Nobody is told twice in a row by the same channel.
func (x Route) Stops(f Fact, members func(group, channel string) []writ.Person) []Stop {
	var out []Stop
	add := func(s Stop) {
		same := func(o Stop) bool { return o.Channel == s.Channel && o.To == s.To }
		if len(out) < MaxStops && !slices.ContainsFunc(out, same) {
			out = append(out, s)
		}
	}
	for _, h := range x.Hops {
		s := Stop{Channel: h.Channel, Wait: h.Wait}
		if s.Wait == 0 {
			s.Wait = Untold
		}
		group := h.Group
		switch group {
		case "":
			add(s)
			continue
		case GroupOwner:
			group = f.Team
		case GroupOncall:
			group = f.Team + "-oncall"
		}
		for _, p := range members(group, h.Channel) {
			s.To = p
			add(s)
		}
	}
	return out
}
