package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// frozenValue turns what a person names into what is frozen, and refuses what is nothing: a freeze of a misspelt name
// would stop nothing and look as if it did. An agent is named by its registration; any identity, an agent's or a
// person's, by its issuer and subject. What is not configured any more can be frozen while a run of it is in flight.
func (c *Control) frozenValue(ctx context.Context, scope writ.FreezeScope, value string) (string, error) {
	var names []string
	code := writ.ReasonForm
	switch scope {
	case writ.FreezeAgent:
		code = writ.ReasonAgentUnregistered
		agents, err := c.allAgents(ctx)
		if err != nil {
			return "", err
		}
		for _, a := range agents {
			if a.Name == value && a.State != writ.AgentRemoved {
				return identity(a.Principal()), nil
			}
			if identity(a.Principal()) == value {
				return value, nil
			}
			names = append(names, a.Name)
		}
		for _, m := range c.Roster {
			if identity(m.Person().Principal()) == value {
				return value, nil
			}
		}
	case writ.FreezeService:
		code, names = writ.ReasonUnknownService, slices.Collect(maps.Keys(c.Services))
	case writ.FreezePlaybook:
		code, names = writ.ReasonUnknownPlaybook, slices.Collect(maps.Keys(c.Library))
	case writ.FreezeTarget:
		code = writ.ReasonOutOfScope
		for _, t := range c.Targets {
			names = append(names, string(t.Location))
		}
	default:
		return value, nil
	}
	if slices.Contains(names, value) {
		return value, nil
	}
	if flying, err := c.inFlight(ctx, scope, value); err != nil || flying {
		return value, err
	}
	slices.Sort(names)
	hint := fmt.Sprintf("%ss: %s", scope, strings.Join(names[:min(len(names), 10)], ", "))
	if near := nearest(value, names); near != "" {
		hint = fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return "", &writ.Refusal{
		Code: code, Kind: writ.ErrInvalid, Hint: hint,
		Detail: fmt.Sprintf("value: there is no %s %q, so nothing was frozen", scope, writ.Printable(value, 120)),
	}
}

// identity is how a freeze names a principal.
func identity(p writ.Principal) string { return p.Iss + " " + p.Sub }

// inFlight reports whether a run that has not ended is of that agent, service, playbook or target.
func (c *Control) inFlight(ctx context.Context, scope writ.FreezeScope, value string) (bool, error) {
	var found bool
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		for _, state := range []writ.RunState{writ.RunGranted, writ.RunRunning} {
			runs, _, err := find[runRow](tx, store.Runs, store.Filter{State: string(state)})
			if err != nil {
				return err
			}
			for _, r := range runs {
				p, _, err := store.Load[planRow](tx, store.Plans, string(r.Run.Plan))
				if err != nil {
					return err
				}
				found = found || value == map[writ.FreezeScope]string{
					writ.FreezeAgent: identity(p.Proposal.By), writ.FreezeService: p.Service,
					writ.FreezePlaybook: p.Proposal.Playbook.Name, writ.FreezeTarget: string(p.Target),
				}[scope]
			}
		}
		return nil
	})
	return found, err
}

// nearest returns the name that takes the fewest edits, if it takes few for its length.
func nearest(value string, names []string) string {
	best, least := "", 1<<30
	for _, n := range names {
		if d := edits(value, n); d < least {
			best, least = n, d
		}
	}
	if least > max(2, len(best)/3) {
		return ""
	}
	return best
}

// edits is the Levenshtein distance in bytes; values are at most a few hundred bytes long.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := left
			if a[i] != b[j] {
				change++
			}
			left = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// stopped refuses what a frozen identity asks for itself, readings too: whoever is frozen by name may be in somebody
// else's hands. Freezes of all other scopes leave readings alone, which change nothing and are how people find out what
// is wrong.
func stopped(tx *store.Tx, by writ.Principal) error {
	all, err := freezes(tx)
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.Scope == writ.FreezeAgent && f.Value == identity(by) {
			return &writ.Refusal{Code: writ.ReasonFrozen, Kind: writ.ErrFrozen, Detail: "a person has frozen this identity", Hint: "a person can lift it: writ unfreeze"}
		}
	}
	return nil
}
