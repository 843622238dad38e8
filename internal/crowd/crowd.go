// Package crowd counts the calls under way, altogether and of each caller, so that one that has gone wild does not fill the doors.
package crowd

import (
	"errors"
	"sync"
)

// The limits of Default, and when who was turned away may come again.
const (
	atOnce       = 1024 // calls: four for each of 256 agents, most of which wait and cost a goroutine
	perCaller    = 32   // calls: an agent follows a few plans and runs
	PauseSeconds = 2    // a call that does not wait takes some milliseconds
)

// Why a call is turned away.
var (
	ErrCaller = errors.New("this caller has as many calls under way as it may have")
	ErrAll    = errors.New("too many calls are under way")
)

// A Crowd is safe for concurrent use. The zero Crowd lets nobody in.
type Crowd struct {
	most, each int

	mu  sync.Mutex
	all int
	by  map[string]int // by caller; no key stays at 0
}

// Default has the limits of a replica.
func Default() *Crowd { return New(atOnce, perCaller) }

// New lets most calls in at once, and each of one caller.
func New(most, each int) *Crowd { return &Crowd{most: most, each: each, by: map[string]int{}} }

// Each is how many calls of one caller are let in at once.
func (c *Crowd) Each() int { return c.each }

// Enter counts a call, which ends with leave, once; or it returns ErrCaller or ErrAll at once, and has counted nothing. Nobody queues.
func (c *Crowd) Enter(caller string) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.by[caller] >= c.each:
		return nil, ErrCaller
	case c.all >= c.most:
		return nil, ErrAll
	}
	c.all++
	c.by[caller]++
	return func() { c.leave(caller) }, nil
}

func (c *Crowd) leave(caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.by[caller]--; c.by[caller] == 0 {
		delete(c.by, caller)
	}
}
