package study

import (
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// A space is the requests that a search tries: for each fact the values at which some rule of some set can change its
// mind, one below and one above them, and absence where it is possible.
type space struct {
	dimensions []dimension
}

// A dimension is one fact. Each change sets it, and may look at the others.
type dimension struct {
	fact    string // as members names it
	rule    string // as rules name it, for facts; empty for what they do not read by name
	changes []func(*policy.Request)
}

// newSpace reads the rules of all sets.
func newSpace(sets ...*policy.Bundle) space {
	w := gather(sets)
	var s space
	for _, n := range numbers {
		s.add(n.name, "context."+n.name, w.numberChanges(n)...)
	}
	for _, n := range optionals {
		s.add(n.name, "context."+n.name, w.optionalChanges(n)...)
	}
	for _, t := range truths {
		s.add(t.name, t.rule, func(q *policy.Request) { *t.of(&q.Facts) = true }, func(q *policy.Request) { *t.of(&q.Facts) = false })
	}
	s.add("changeFreezeUntil", "context.changeFreezeUntil",
		func(q *policy.Request) { q.Facts.ChangeFreezeUntil = nil },
		func(q *policy.Request) { q.Facts.ChangeFreezeUntil = new(q.Facts.Now - 1) },
		func(q *policy.Request) { q.Facts.ChangeFreezeUntil = new(q.Facts.Now) },
		func(q *policy.Request) { q.Facts.ChangeFreezeUntil = new(q.Facts.Now + 1) })
	s.add("now", "context.now", w.nowChanges()...)
	for _, env := range w.words.Envs {
		s.more("env", "resource.env", func(q *policy.Request) { q.Facts.Env = env })
	}
	s.more("roles", "principal.roles", func(q *policy.Request) { q.Facts.Roles = nil })
	for _, r := range w.words.Roles {
		s.more("roles", "principal.roles", func(q *policy.Request) { q.Facts.Roles = []string{r} })
	}
	s.more("roles", "principal.roles", func(q *policy.Request) { q.Facts.Roles = w.words.Roles })
	for _, p := range w.words.Planes {
		s.more("planes", "context.planes", func(q *policy.Request) { q.Facts.Planes = []string{p} })
	}
	s.more("planes", "context.planes", func(q *policy.Request) { q.Facts.Planes = w.words.Planes })
	for _, name := range append(w.teams, elsewhere) {
		s.more("team", "resource.owner", func(q *policy.Request) { q.Facts.Team = name })
		s.more("owningTeam", "resource.owner", func(q *policy.Request) { q.Facts.OwningTeam = name })
	}
	s.more("team", "resource.owner", func(q *policy.Request) { q.Facts.Team = q.Facts.OwningTeam }, func(q *policy.Request) { q.Facts.Team = "" })
	for _, name := range append(w.services, elsewhere) {
		s.more("service", "", func(q *policy.Request) { q.Facts.Service = name })
	}
	s.add("principal", "", asAgent, asHuman)
	for _, name := range w.words.Playbooks {
		s.more("playbook", "", func(q *policy.Request) { asPlan(q); q.Playbook = name })
	}
	for _, name := range w.words.Operations {
		s.more("operations", "", func(q *policy.Request) { asPlan(q); q.Operations = []string{name} })
	}
	for _, name := range w.words.Readers {
		s.more("operations", "", func(q *policy.Request) { q.Playbook, q.Operations = "", []string{name} })
	}
	return s
}

// elsewhere is a team or service that no rule names.
const elsewhere = "elsewhere"

func (s *space) add(fact, rule string, changes ...func(*policy.Request)) {
	s.dimensions = append(s.dimensions, dimension{fact, rule, changes})
}

func (s *space) more(fact, rule string, changes ...func(*policy.Request)) {
	for i := range s.dimensions {
		if s.dimensions[i].fact == fact {
			s.dimensions[i].changes = append(s.dimensions[i].changes, changes...)
			return
		}
	}
	s.add(fact, rule, changes...)
}

func asAgent(q *policy.Request) {
	q.Facts.Principal, q.Facts.Oncall = writ.Principal{Kind: writ.KindAgent, Iss: "https://issuer.example", Sub: "agent"}, false
}

func asHuman(q *policy.Request) {
	q.Facts.Principal = writ.Principal{Kind: writ.KindHuman, Iss: "https://login.example", Sub: "person"}
	q.Facts.Roles, q.Facts.Suspended, q.Facts.Owner = nil, false, writ.Person{}
}

// asPlan turns a request for readings into one for a change, which always names a playbook.
func asPlan(q *policy.Request) {
	if q.Playbook == "" {
		q.Operations = nil
	}
}

// gathered is what the rules of several sets read.
type gathered struct {
	words           policy.Words
	numbers         map[string][]int64
	pairs           map[string][]string
	services, teams []string
}

func gather(sets []*policy.Bundle) gathered {
	g := gathered{numbers: map[string][]int64{}, pairs: map[string][]string{}}
	for i, b := range sets {
		w := b.Words()
		if i == 0 {
			g.words = w
		} else { // only what both know can be asked of both
			for _, x := range []struct{ have, other *[]string }{
				{&g.words.Envs, &w.Envs}, {&g.words.Roles, &w.Roles}, {&g.words.Planes, &w.Planes}, {&g.words.Playbooks, &w.Playbooks},
				{&g.words.Operations, &w.Operations}, {&g.words.Readers, &w.Readers},
			} {
				*x.have = slices.DeleteFunc(*x.have, func(s string) bool { return !slices.Contains(*x.other, s) })
			}
		}
		for _, r := range b.Rules() {
			g.read(b, r.ID)
		}
	}
	return g
}

// maxNames bounds the services and teams that a search tries: large sets name thousands, and they are alike.
const maxNames = 64

func (g *gathered) read(b *policy.Bundle, id string) {
	u := b.Uses(id)
	for m, list := range u.Numbers {
		for _, n := range list {
			g.numbers[m] = addTo(g.numbers[m], n)
		}
	}
	for _, p := range u.Pairs {
		g.pairs[p[0]], g.pairs[p[1]] = addTo(g.pairs[p[0]], p[1]), addTo(g.pairs[p[1]], p[0])
	}
	for _, e := range u.IDs {
		switch {
		case string(e.Type) == "Service" && len(g.services) < maxNames:
			g.services = addTo(g.services, string(e.ID))
		case string(e.Type) == "Team" && len(g.teams) < maxNames:
			g.teams = addTo(g.teams, string(e.ID))
		}
	}
}

func addTo[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// around are the values at which rules change their minds about a number, within its bounds, sorted.
func (g *gathered) around(name string, most int) []int {
	var out []int
	for _, n := range g.numbers["context."+name] {
		for _, v := range []int64{n - 1, n, n + 1} {
			if v >= 0 && v <= int64(most) {
				out = addTo(out, int(v))
			}
		}
	}
	slices.Sort(out)
	return out
}

// beside are the facts that rules compare one with.
func (g *gathered) beside(name string) []string {
	var out []string
	for _, m := range g.pairs["context."+name] {
		if short, ok := strings.CutPrefix(m, "context."); ok {
			out = append(out, short)
		}
	}
	slices.Sort(out)
	return out
}
