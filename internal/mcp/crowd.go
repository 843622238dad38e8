package mcp

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/writ-dev/writ"
)

// Defaults of Config.AtOnce and Config.PerAgent, and when who was turned away may come again.
const (
	defaultAtOnce   = 1024 // calls: four for each of 256 agents, most of which wait and cost a goroutine
	defaultPerAgent = 32   // calls: an agent follows a few plans and runs; one that has gone wild must not fill the door
	crowdSeconds    = 2    // a call that does not wait takes some milliseconds
)

// A crowd counts the calls under way. It is safe for concurrent use.
type crowd struct {
	most, each int
	next       http.Handler

	mu  sync.Mutex
	all int
	by  map[string]int // by caller; no key stays at 0
}

// crowded turns calls away that would be too many at once, altogether or of one agent: at once, before their body is read, with
// Retry-After. Who was admitted is served; nobody queues.
func (d door) crowded(next http.Handler) http.Handler {
	c := &crowd{most: d.AtOnce, each: d.PerAgent, next: next, by: map[string]int{}}
	if c.most <= 0 {
		c.most = defaultAtOnce
	}
	if c.each <= 0 {
		c.each = defaultPerAgent
	}
	return c
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller := ""
	if info := auth.TokenInfoFromContext(r.Context()); info != nil {
		caller = info.UserID
	}
	switch status := c.enter(caller); status {
	case http.StatusOK:
		defer c.leave(caller)
		c.next.ServeHTTP(w, r)
	case http.StatusTooManyRequests:
		turnAway(w, status, "you have "+strconv.Itoa(c.each)+" calls under way, and no more at once", "let some of them end; get_plan and get_run wait for you")
	default:
		turnAway(w, status, "too many calls are under way", "call again after the pause")
	}
}

// enter counts a call, or returns the status with which it is turned away.
func (c *crowd) enter(caller string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.by[caller] >= c.each:
		return http.StatusTooManyRequests
	case c.all >= c.most:
		return http.StatusServiceUnavailable
	}
	c.all++
	c.by[caller]++
	return http.StatusOK
}

func (c *crowd) leave(caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.by[caller]--; c.by[caller] == 0 {
		delete(c.by, caller)
	}
}

// turnAway answers that nothing was done, and when to come again.
func turnAway(w http.ResponseWriter, status int, detail, hint string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", strconv.Itoa(crowdSeconds))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // a reader that is gone is its own trouble
		Status int         `json:"status"`
		Code   writ.Reason `json:"code"`
		Detail string      `json:"detail"`
		Hint   string      `json:"hint"`
		Retry  string      `json:"retry"`
	}{status, "busy", detail, hint, "after"})
}
