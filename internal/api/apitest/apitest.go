// Package apitest is a control plane for the tests of the doors. It answers every call that a door can make with a fixed
// object, decides nothing, keeps nothing but what objects.go and Control name, and tells each call to a recorder, so that a
// test can demand that exactly what its caller said has arrived. A test that needs another answer embeds a Control in a type of
// its own and declares that one method anew.
package apitest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
)

// A Control is the control plane. Its zero value is ready, and its methods may be called concurrently; fields are set
// before it serves, or between two calls.
type Control struct {
	Recorder
	Keys

	PlanStates []writ.PlanState // that Plan answers with, one by one; the last one stays, and none is waiting
	RunStates  []writ.RunState  // the same of Run; none is running

	mu       sync.Mutex
	happened []writ.Event
	asked    writ.Ask
	alerted  writ.AlertGroup
}

// Config is the whole API over one control plane.
func Config(c *Control) api.Config {
	return api.Config{
		Auth: c, Playbooks: c, Readings: c, Proposals: c, Approvals: c, Passkeys: c, Assertions: c, Runs: c, Presents: c, Incidents: c, Alerts: c, Freezes: c,
		Agents: c, HandOffs: c, Ledger: c, Overview: c, Idempotency: c, Denials: c, Sessions: c, Fleet: c, Upstreams: c, BreakGlass: c, Recalls: c, OnCall: c,
		Policies: c, PolicyAnswers: c, Simulations: c, Autonomy: c, Reviews: c, Reports: c,
		ExternalURL: "https://writ.example", Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// Principal takes the words agent, human and source for tokens.
func (c *Control) Principal(_ context.Context, r *http.Request) (writ.Principal, error) {
	switch r.Header.Get("Authorization") {
	case "Bearer agent":
		return Agent, nil
	case "Bearer human":
		return Human, nil
	case "Bearer source":
		return Source, nil
	}
	return writ.Principal{}, writ.ErrUnknownUser
}

// Asked is the newest proposal, and Alerted the newest alert: what the text of a call is too short for.
func (c *Control) Asked() writ.Ask {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// Alerted is the newest alert; see Asked.
func (c *Control) Alerted() writ.AlertGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alerted
}

// Happen adds to what Events answers with. Events are added in the order of their index.
func (c *Control) Happen(events ...writ.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.happened = append(c.happened, events...)
}

// next takes the first of states, and leaves the last where it is.
func next[S any](c *Control, states *[]S, none S) S {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(*states) == 0 {
		return none
	}
	s := (*states)[0]
	if len(*states) > 1 {
		*states = (*states)[1:]
	}
	return s
}

// text is parameters as JSON, in which a text, a number and a truth value differ.
func text(p writ.Parameters) string {
	b, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
