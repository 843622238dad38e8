package control

import "time"

// Limits bound how much goes on at once and how often. A zero member means the default below.
type Limits struct {
	OpenIncidents  int           // of one service: more alert groups are told to come again
	OpenPlans      int           // of one service, asked for by agents and not decided yet: each may become a prompt
	OpenPlansEach  int           // of those, one agent's: no agent can fill the service's places alone
	Attempts       int           // runs of one playbook on one object within Window, unless the playbook says otherwise
	ObjectAttempts int           // runs of any playbook on one object within Window
	Window         time.Duration // at most playbook.MaxWindow
}

// The defaults. An on-call person keeps an overview of a handful of prompts on one service; twenty are noise already,
// and what sits behind them is the same trouble told in other words.
const (
	defaultOpenIncidents  = 25
	defaultOpenPlans      = 20
	defaultOpenPlansEach  = 10
	defaultAttempts       = 6
	defaultObjectAttempts = 12
	defaultWindow         = time.Hour
)

// whole fills in the defaults.
func (l Limits) whole() Limits {
	set := func(n *int, otherwise int) {
		if *n == 0 {
			*n = otherwise
		}
	}
	set(&l.OpenIncidents, defaultOpenIncidents)
	set(&l.OpenPlans, defaultOpenPlans)
	set(&l.OpenPlansEach, defaultOpenPlansEach)
	set(&l.Attempts, defaultAttempts)
	set(&l.ObjectAttempts, defaultObjectAttempts)
	if l.Window == 0 {
		l.Window = defaultWindow
	}
	return l
}

// check refuses limits that limit nothing.
func (l Limits) check() bool {
	return l.OpenIncidents >= 0 && l.OpenPlans >= 0 && l.OpenPlansEach >= 0 && l.Attempts >= 0 && l.ObjectAttempts >= 0 &&
		l.Window >= 0 && l.Window <= keepAttempts
}

// What a busy caller is told to wait, when nothing says how long it takes: a run ends within minutes, and the places of
// a storm are freed by people.
const (
	afterBusy  = 15 * time.Second
	afterStorm = time.Minute
)
