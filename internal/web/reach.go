package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
)

// A Lab asks the policy set in force. All of it is advice: nothing is changed, granted or recorded. Suppose makes the
// request of one agent for a playbook on a service on a good day.
type Lab interface {
	LabNames(ctx context.Context, by writ.Principal) (study.Names, error)
	Reach(ctx context.Context, by writ.Principal, q study.ReachQuestion) (study.Reach, error)
	Suppose(ctx context.Context, by writ.Principal, service, playbook, agent string) (policy.Request, error)
	RulesInForce(ctx context.Context, by writ.Principal) (*policy.Bundle, error)
	Replay(ctx context.Context, by writ.Principal) (study.Simulation, error)
}

const (
	// maxWays bounds the rows of one page, which must stay light; a filter shows the others.
	maxWays = 60
	// maxPeople bounds the names of one slot on the page.
	maxPeople = 8
	// maxOptions bounds a list to choose from; any name can be typed into the address.
	maxOptions = 300
	// maxLabs is how many questions to the policy are answered at a time: each keeps a processor busy.
	maxLabs = 2
)

// A reachView is who could touch which service.
type reachView struct {
	study.Reach
	Ask    study.ReachQuestion
	All    bool // denials too
	Groups []reached
	Denied int // ways that policy denies, when they are not shown
	More   int // ways beyond those shown
}

// A reached service with the ways to it.
type reached struct {
	Service string
	Ways    []study.Way
}

func (d *door) reach(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	q := r.URL.Query()
	v := reachView{Ask: study.ReachQuestion{Service: named(q, "service"), Playbook: named(q, "playbook"), Agent: named(q, "agent")}, All: q.Get("all") != ""}
	done, err := d.lab()
	if err != nil {
		return view{}, err
	}
	defer done()
	if v.Reach, err = d.Lab.Reach(ctx, by, v.Ask); err != nil {
		return view{}, err
	}
	shown := 0
	for _, w := range v.Ways {
		switch {
		case w.Verdict == writ.Deny && !v.All:
			v.Denied++
			continue
		case shown == maxWays:
			v.More++
			continue
		}
		shown++
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Service != w.Service {
			v.Groups = append(v.Groups, reached{Service: w.Service})
		}
		last := &v.Groups[len(v.Groups)-1]
		last.Ways = append(last.Ways, w)
	}
	v.Services, v.Playbooks, v.Agents = few(v.Services), few(v.Playbooks), few(v.Agents)
	return view{title: "Reach", data: v}, nil
}

// MaxPeople is how many names of one slot the page shows.
func (reachView) MaxPeople() int { return maxPeople }

// Lab is the address where one of a way's agents is looked at closer.
func (reachView) Lab(w study.Way) string {
	agent := ""
	if len(w.Agents) > 0 {
		agent = w.Agents[0]
	}
	return "/policy?" + url.Values{"service": {short(w.Service)}, "playbook": {short(w.Playbook)}, "agent": {short(agent)}}.Encode()
}

// Link is this page with denials, or without.
func (v reachView) Link(all bool) string {
	q := url.Values{}
	for name, value := range map[string]string{"service": v.Ask.Service, "playbook": v.Ask.Playbook, "agent": v.Ask.Agent} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if all {
		q.Set("all", "1")
	}
	return "/reach?" + q.Encode()
}

// named is a name from a link's query, bounded; the control plane knows which there are.
func named(q url.Values, key string) string { return writ.Printable(q.Get(key), shortText) }

func few(names []string) []string { return names[:min(len(names), maxOptions)] }

// lab waits for nobody: it returns what gives the place back, or writ.ErrBusy.
func (d *door) lab() (func(), error) {
	select {
	case d.labs <- struct{}{}:
		return func() { <-d.labs }, nil
	default:
		return nil, writ.ErrBusy
	}
}
