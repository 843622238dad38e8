package siege_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

const (
	plane                       = "lab"
	target        writ.Location = "lab://one"
	whole         writ.Location = target + "/api/workload"
	replicas                    = 3
	floor                       = 2 // of them must be ready at any time
	restartOne                  = writ.OperationName("lab/replica.restart")
	restartAll                  = writ.OperationName("lab/workload.restart")
	status                      = writ.OperationName("lab/workload.status")
	permilleOfOne               = 1                      // so that the share of the service holds nobody back, and units alone count
	minting                     = 100 * time.Millisecond // a lease takes a while to make
	rebirth                     = 60 * time.Millisecond  // how long a replica is gone
)

// A fleet is a service of three replicas that keeps book of its own availability.
type fleet struct {
	locks bool // its replicas are planned as parts of the workload

	mu     sync.Mutex
	up     [replicas]bool
	made   [replicas]int // how often each was made
	lowest int           // ready replicas at the worst moment
	calls  map[string]int
	busy   sync.WaitGroup
}

func newFleet(locks bool) *fleet {
	return &fleet{locks: locks, up: [replicas]bool{true, true, true}, lowest: replicas, calls: map[string]int{}}
}

func (f *fleet) ready() int {
	n := 0
	for _, up := range f.up {
		if up {
			n++
		}
	}
	return n
}

// replace takes one replica down, and has it made again soon.
func (f *fleet) replace(i int) {
	f.mu.Lock()
	f.up[i] = false
	f.made[i]++
	f.lowest = min(f.lowest, f.ready())
	f.mu.Unlock()
	time.Sleep(rebirth)
	f.mu.Lock()
	f.up[i] = true
	f.mu.Unlock()
}

func (f *fleet) Target() writ.Location { return target }

func (f *fleet) Catalogue() connector.Catalogue { return operations }

var operations = connector.Catalogue{
	Plane: plane,
	Operations: []connector.Operation{
		{Name: restartOne, Title: "Restart a replica", Tier: writ.T1, Inverse: writ.InverseReplace, Rights: []string{"restart"},
			Parameters: []connector.Parameter{{Name: "replica", Type: connector.TypeInteger, Title: "which", Min: 0, Max: replicas - 1}}},
		{Name: restartAll, Title: "Restart them all, one after the other", Tier: writ.T1, Inverse: writ.InverseReplace, Rights: []string{"restart"}},
	},
	Readers: []connector.Reader{{Name: status, Title: "Status", Facts: []connector.Fact{{Name: "ready", Type: connector.TypeInteger, Title: "ready replicas"}}}},
}

func (f *fleet) Observe(context.Context, connector.Query) (connector.Reading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return connector.Reading{
		Source: "fleet", At: time.Now(), Bytes: fmt.Appendf(nil, `{"ready":%d}`, f.ready()), Facts: writ.Observation{"ready": writ.Int(int64(f.ready()))},
	}, nil
}

func (f *fleet) Plan(_ context.Context, d connector.Draft) (connector.Prepared, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := writ.Units{Workload: whole, Wanted: replicas, Ready: f.ready(), Down: min(1, f.ready()), Floor: floor, By: writ.FloorBudget}
	step := writ.Step{
		Key: d.Key, Operation: d.Operation, With: d.With, Tier: writ.T1, Title: "Restart", Object: writ.Object{Location: whole, UID: "whole", Version: "1"},
		Call: writ.Call{Method: "RESTART", Path: "/api"}, Diff: []writ.Change{{Path: "running", Before: "old", After: "new"}},
		Inverse: writ.Inverse{Kind: writ.InverseReplace, Title: "Leave it"}, Blast: writ.Blast{Objects: 1, Replicas: 1, Permille: permilleOfOne},
		Units: []writ.Units{u}, TimeoutSeconds: 20,
	}
	if i, ok := d.With["replica"].Int64(); ok {
		step.Object = writ.Object{Location: target + writ.Location(fmt.Sprintf("/api/replica-%d", i)), UID: fmt.Sprintf("replica-%d", i), Version: fmt.Sprint(f.made[i])}
		if f.locks {
			step.Owner = whole
		}
	}
	var salt [writ.SaltSize]byte
	rand.Read(salt[:])
	return connector.Seal(step, salt, []byte("restart"), []byte("running")), nil
}

func (f *fleet) Lease(_ context.Context, r connector.LeaseRequest, keep func([]byte) error) (connector.Lease, error) {
	if err := keep([]byte(r.Name)); err != nil {
		return nil, err
	}
	time.Sleep(minting) // between the runner's last look at the inventory and its call
	return &lease{f: f}, nil
}

// Revert is asked by nobody here: no run of a siege is put back.
func (f *fleet) Revert(context.Context, connector.Reversal) (connector.Prepared, error) {
	return connector.Prepared{}, writ.Refuse(writ.ReasonNoInverse, "a restart leaves nothing to put back")
}

func (f *fleet) Reopen(connector.LeaseRequest, []byte) (connector.Lease, error) {
	return &lease{f: f}, nil
}

type lease struct {
	f       *fleet
	revoked atomic.Bool
}

func (l *lease) Rights() []string { return []string{"restart"} }

func (l *lease) Do(_ context.Context, p connector.Prepared) connector.Outcome {
	f := l.f
	f.mu.Lock()
	f.calls[p.Step.Key]++
	f.mu.Unlock()
	victims := []int{0, 1, 2}
	if i, ok := p.Step.With["replica"].Int64(); ok {
		victims = []int{int(i)}
	}
	f.busy.Go(func() { // as a controller does, after the call has been answered
		for _, i := range victims {
			f.replace(i)
		}
	})
	return connector.Outcome{Effect: writ.Applied, Version: "2", Sent: writ.Commit(p.Salt, connector.BlobBody, p.Body)}
}

func (l *lease) Undo(context.Context, connector.Prepared, []byte) connector.Undone {
	return connector.Undone{Effect: writ.Applied, Restored: true}
}

func (l *lease) Settle(context.Context, connector.Prepared) connector.Outcome {
	return connector.Outcome{Effect: writ.NotApplied, Reason: writ.ReasonStepFailed}
}

func (l *lease) Revoke(context.Context) error { l.revoked.Store(true); return nil }

func (l *lease) Probe(context.Context) (connector.Probe, error) {
	return connector.Probe{PowerGone: l.revoked.Load(), IdentityGone: l.revoked.Load()}, nil
}

// report is what the fleet saw, once it is at rest.
func (f *fleet) report() (lowest, calls int, twice []string) {
	f.busy.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, n := range f.calls {
		if calls += n; n > 1 {
			twice = append(twice, key)
		}
	}
	slices.Sort(twice)
	return f.lowest, calls, twice
}
