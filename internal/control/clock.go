package control

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/store"
)

const (
	// clockEvery is how often a replica compares its clock with the database's: clocks drift by milliseconds in that time, and
	// each writing is a commit.
	clockEvery = 20 * time.Second

	// replicaLife is how long a replica is shown that nothing was heard of since: long enough to see that one has gone.
	replicaLife = 10 * time.Minute

	// maxReplicas bounds the rows that are looked at.
	maxReplicas = 100
)

// The rows of the replicas stand among the assignments, in a state of their own, beside those that say when runners asked.
const (
	clockPrefix = "clock/"
	stateClock  = "clock"
)

type clockRow struct {
	Name  string
	Clock writ.ClockReading
}

// compareClocks measures how far this replica's clock is ahead of the database's, and writes it down for every replica. With
// SQLite there is one process and one clock, and nothing is written.
func (c *Control) compareClocks(ctx context.Context) error {
	c.mu.Lock()
	due := c.clocked.IsZero() || c.now().Sub(c.clocked).Abs() >= clockEvery
	if due {
		c.clocked = c.now()
	}
	c.mu.Unlock()
	if !due {
		return nil
	}
	before := c.Now()
	base, shared, err := c.Store.Clock(ctx)
	after := c.Now()
	if err != nil || !shared {
		return err
	}
	took := after.Sub(before)
	r := writ.ClockReading{OffMillis: before.Add(took / 2).Sub(base).Milliseconds(), Within: took.Milliseconds()/2 + 1, At: writ.Instant(base)}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		all, rows, err := find[clockRow](tx, store.Assignments, store.Filter{State: stateClock, Limit: maxReplicas})
		if err != nil {
			return err
		}
		mine := store.Row{ID: clockPrefix + c.replica, State: stateClock}
		fresh := true
		for i, old := range all {
			switch {
			case rows[i].ID == mine.ID:
				mine, fresh = rows[i], false
			case base.Sub(old.Clock.At) > replicaLife:
				if err := tx.Delete(store.Assignments, rows[i].ID); err != nil {
					return err
				}
			}
		}
		doc := clockRow{c.Replica, r}
		if fresh {
			return store.Create(tx, store.Assignments, mine, doc)
		}
		return store.Save(tx, store.Assignments, mine, stateClock, doc)
	})
}

// replicas lists the processes that have compared their clocks lately.
func (c *Control) replicas(tx *store.Tx) ([]writ.ReplicaStatus, error) {
	all, rows, err := find[clockRow](tx, store.Assignments, store.Filter{State: stateClock, Limit: maxReplicas})
	var out []writ.ReplicaStatus
	for i, d := range all {
		out = append(out, writ.ReplicaStatus{Name: d.Name, Self: rows[i].ID == clockPrefix+c.replica, Clock: d.Clock})
	}
	return out, err
}

// clockOf is how far a runner's clock is ahead of this replica's, as its heartbeat says. The way that the call took is in it:
// a runner seems behind by that. No decision rests on it.
func (c *Control) clockOf(said time.Time) *writ.ClockReading {
	if said.IsZero() {
		return nil
	}
	now := c.now()
	return &writ.ClockReading{OffMillis: said.Sub(now).Milliseconds(), At: now}
}

// newReplica names this process among its replicas.
func newReplica(c Config) (string, error) { return ident.Nonce(c.Rand) }
