package runner_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/token"
)

const origin = "writ.test/log"

var controlSelf = writ.Principal{Kind: writ.KindService, Iss: "https://writ.test", Sub: "control"}

// keys are everything that a control plane holds, and so everything that its thief has.
type keys struct {
	grant    *ecdsa.PrivateKey
	dispatch *ecdsa.PrivateKey
	entry    ledger.Author
	log      ed25519.PrivateKey
}

// fakeControl is a control plane in memory. It keeps a real ledger with signed checkpoints and really hands out,
// repeats and closes assignments. It decides nothing: tests script its refusals.
type fakeControl struct {
	keys
	*controlState
	runner ed25519.PublicKey
	points *atomic.Pointer[func(string) error] // around every call; an error is a broken connection

	Refuse    func(ledger.Entry) *assignment.Refused
	Seen      func(assignment.Delivery)       // sees each delivery
	Check     func(assignment.Delivery) error // refuses a delivery as a whole
	Tamper    func(*assignment.Delivered)
	TamperFor func(*assignment.Assignment)
	FeedAge   time.Duration
	Deaf      bool // nobody can listen: feeds come with other answers only
}

type controlState struct {
	mu      sync.Mutex
	cell    fakeCell
	leaves  [][]byte
	index   map[string]int64
	nodes   hashes
	edge    ledger.Edge
	epoch   int64
	freezes []assignment.Freeze
	revoked []writ.GrantID
	stop    map[writ.RunID]bool
	queue   []*work
	answers map[writ.AssignmentID]assignment.Answer
	changed chan struct{}
}

type work struct {
	a    assignment.Assignment
	due  time.Time
	done bool
	leaf int64 // index of the grant's entry
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range at {
		if i >= int64(len(h)) {
			return nil, fmt.Errorf("no hash %d", i)
		}
		out = append(out, h[i])
	}
	return out, nil
}

func newControl(k keys, runner ed25519.PublicKey) *fakeControl {
	c := &fakeControl{
		keys: k, runner: runner, points: new(atomic.Pointer[func(string) error]),
		controlState: &controlState{index: map[string]int64{}, stop: map[writ.RunID]bool{}, answers: map[writ.AssignmentID]assignment.Answer{}, changed: make(chan struct{})},
	}
	c.author(writ.EntryGenesis, "", writ.GenesisBody{Origin: origin, Policy: writ.DigestOf([]byte("policy"))})
	return c
}

func (c *fakeControl) on(f func(string) error) { c.points.Store(&f) }

func (c *fakeControl) point(name string) error {
	if f := c.points.Load(); f != nil {
		return (*f)(name)
	}
	return nil
}

func (c *fakeControl) clone() *fakeControl {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := *c
	d.points = new(atomic.Pointer[func(string) error])
	d.controlState = &controlState{
		leaves: append([][]byte(nil), c.leaves...), index: maps.Clone(c.index), nodes: append(hashes(nil), c.nodes...), edge: c.edge.Clone(),
		cell: c.cell, epoch: c.epoch, freezes: append([]assignment.Freeze(nil), c.freezes...), revoked: append([]writ.GrantID(nil), c.revoked...),
		stop: maps.Clone(c.stop), answers: maps.Clone(c.answers), changed: make(chan struct{}),
	}
	for _, w := range c.queue {
		k := *w
		d.queue = append(d.queue, &k)
	}
	return &d
}

// append puts a leaf into the ledger.
func (c *controlState) append(leaf []byte) int64 {
	h := ledger.LeafHash(leaf)
	i := int64(len(c.leaves))
	c.leaves = append(c.leaves, leaf)
	c.index[h.String()] = i
	var th tlog.Hash
	copy(th[:], h.Bytes())
	c.nodes = append(append(c.nodes, th), c.edge.Append(h)...)
	return i
}

// author appends an entry of the control plane's own.
func (c *fakeControl) author(kind writ.EntryKind, task writ.IncidentID, body any) (int64, []byte) {
	nonce, _ := ident.Nonce(rand.Reader)
	rec, err := writ.NewRecord(origin, kind, time.Now(), task, controlSelf, nonce, body)
	if err != nil {
		panic(err)
	}
	leaf, err := ledger.Seal(rec, c.entry)
	if err != nil {
		panic(err)
	}
	return c.append(leaf), leaf
}

func (c *fakeControl) receipt(i, from int64) ledger.Receipt {
	head := c.edge.Head()
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: head.Size, Root: head.Root}, c.log)
	if err != nil {
		panic(err)
	}
	inclusion, err := ledger.ProveInclusion(i, head.Size, c.nodes)
	if err != nil {
		panic(err)
	}
	consistency, err := ledger.ProveConsistency(from, head.Size, c.nodes)
	if err != nil {
		panic(err)
	}
	return ledger.Receipt{Index: i, Leaf: ledger.LeafHash(c.leaves[i]), Proof: inclusion, Checkpoint: note, From: from, Consistency: consistency}
}

func (c *fakeControl) feed() []byte {
	b, err := canon.Marshal(assignment.Feed{V: 1, Epoch: c.epoch, IssuedAt: writ.Instant(time.Now().Add(-c.FeedAge)), Freezes: c.freezes, Revoked: c.revoked})
	if err != nil {
		panic(err)
	}
	env, err := ledger.SealEnvelope(assignment.FeedType, b, c.entry)
	if err != nil {
		panic(err)
	}
	return env
}

func (c *fakeControl) freeze(z assignment.Freeze) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.freezes = append(c.freezes, z)
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *fakeControl) revoke(id writ.GrantID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.revoked = append(c.revoked, id)
}

// aged shows old feeds from now on, and tells nobody of any.
func (c *fakeControl) aged(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.FeedAge, c.Deaf = by, true
}

// Feed holds the call as a control plane does, unless Deaf.
func (c *fakeControl) Feed(ctx context.Context, ask assignment.Listen) (assignment.Told, error) {
	over := time.After(time.Duration(ask.WaitSeconds) * time.Second)
	for {
		c.mu.Lock()
		changed, deaf, turned, feed := c.changed, c.Deaf, c.epoch != ask.Epoch, c.feed()
		c.mu.Unlock()
		switch {
		case deaf:
			return assignment.Told{}, writ.ErrUnavailable
		case turned:
			return assignment.Told{Feed: feed}, nil
		}
		select {
		case <-changed:
		case <-over:
			return assignment.Told{Feed: feed}, nil
		case <-ctx.Done():
			return assignment.Told{}, ctx.Err()
		}
	}
}

func (c *fakeControl) enqueue(w *work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, w)
	close(c.changed)
	c.changed = make(chan struct{})
}

// fakeCell is who holds the runner's cell. Only what a runner can see of it is as in the real control plane.
type fakeCell struct {
	instance string
	epoch    int64
	seen     time.Time
	debts    []assignment.Debt
	left     []assignment.Taken // told to whoever takes over
}

func (c *fakeControl) Join(_ context.Context, j assignment.Join) (assignment.Joined, error) {
	if err := c.point("join"); err != nil {
		return assignment.Joined{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.cell.instance == j.Claim.Instance
	switch {
	case j.Claim.Epoch > 0:
		if err := c.holds(j.Claim); err != nil {
			return assignment.Joined{}, err
		}
		c.cell.seen, c.cell.debts = time.Now(), j.Debts
		return assignment.Joined{Epoch: c.cell.epoch}, nil
	case own && j.Held != c.cell.epoch && !j.Fenced:
		return assignment.Joined{Restored: true}, nil
	case c.cell.instance != "" && (!own || j.Fenced) && time.Since(c.cell.seen) < assignment.SilentAfter:
		return assignment.Joined{Holder: c.cell.instance, Seen: c.cell.seen}, nil
	}
	out := assignment.Joined{Kept: own || c.cell.instance == ""}
	if !out.Kept {
		out.Takeover = c.cell.left
	}
	c.cell.instance, c.cell.seen = j.Claim.Instance, time.Now()
	c.cell.epoch++
	out.Epoch = c.cell.epoch
	return out, nil
}

// holds is called with mu held.
func (c *fakeControl) holds(claim assignment.Claim) error {
	if claim.Instance != c.cell.instance || claim.Epoch != c.cell.epoch {
		return writ.Refuse(writ.ReasonFenced, "another process works for this runner now")
	}
	return nil
}

// seize is another process taking the cell.
func (c *fakeControl) seize() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cell.instance, c.cell.seen = "another-instance-of-the-cell", time.Now()
	c.cell.epoch++
}

func (c *fakeControl) Next(ctx context.Context, ask assignment.Ask) (*assignment.Assignment, error) {
	if err := c.point("next"); err != nil {
		return nil, err
	}
	c.mu.Lock()
	err := c.holds(ask.Claim)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	over := time.NewTimer(time.Duration(ask.WaitSeconds) * time.Second)
	defer over.Stop()
	for {
		c.mu.Lock()
		changed, again := c.changed, time.Duration(ask.WaitSeconds)*time.Second
		for _, w := range c.queue {
			if w.done {
				continue
			}
			if wait := time.Until(w.due); wait > 0 {
				again = min(again, wait)
				continue
			}
			w.due = time.Now().Add(15 * time.Second)
			a := c.fill(w, ask.Seen)
			c.mu.Unlock()
			return a, nil
		}
		c.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(again):
		case <-over.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *fakeControl) fill(w *work, seen int64) *assignment.Assignment {
	a := w.a
	a.Feed = c.feed()
	if a.Run != nil {
		b := *a.Run
		if b.Proof == "" {
			proof, err := token.Prove(c.dispatch, token.Proof{Method: "POST", URL: presented, AccessTokenHash: token.AccessTokenHash(b.Grant)}, time.Now(), rand.Reader)
			if err != nil {
				panic(err)
			}
			b.Proof = proof
		}
		b.Receipt = c.receipt(w.leaf, seen)
		a.Run = &b
	}
	if c.TamperFor != nil {
		c.TamperFor(&a)
	}
	return &a
}

func (c *fakeControl) Answer(_ context.Context, a assignment.Answer) error {
	if err := c.point("answer"); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.queue {
		if w.a.ID == a.Assignment && !w.done {
			w.done = true
			c.answers[a.Assignment] = a
		}
	}
	return nil
}

func (c *fakeControl) Deliver(_ context.Context, d assignment.Delivery) (assignment.Delivered, error) {
	if err := c.point("deliver"); err != nil {
		return assignment.Delivered{}, err
	}
	c.mu.Lock()
	if c.Seen != nil {
		c.Seen(d)
	}
	if c.Check != nil {
		if err := c.Check(d); err != nil {
			c.mu.Unlock()
			return assignment.Delivered{}, err
		}
	}
	out, err := c.deliver(d)
	c.mu.Unlock()
	if err != nil {
		return out, err
	}
	if err := c.point("delivered"); err != nil {
		return assignment.Delivered{}, err
	}
	if c.Tamper != nil {
		c.Tamper(&out)
	}
	return out, nil
}

func (c *fakeControl) deliver(d assignment.Delivery) (assignment.Delivered, error) {
	var out []assignment.Delivered
	var at [][]int64
	parts := append([]assignment.Delivery{d}, d.Also...)
	for _, part := range parts {
		answer, indexes, err := c.takeAll(part, c.holds(d.Claim))
		if err != nil {
			return answer, err
		}
		out, at = append(out, answer), append(at, indexes)
	}
	for k, indexes := range at {
		for _, i := range indexes {
			out[k].Receipts = append(out[k].Receipts, c.receipt(i, d.Seen))
		}
		out[k].Stop = c.stop[parts[k].Run]
	}
	out[0].Feed, out[0].Also = c.feed(), out[1:]
	if c.holds(d.Claim) == nil {
		out[0].Epoch = d.Claim.Epoch
	}
	return out[0], nil
}

func (c *fakeControl) takeAll(d assignment.Delivery, held error) (out assignment.Delivered, at []int64, err error) {
	for _, leaf := range d.Entries {
		e, err := ledger.VerifyAuthor(leaf, func(id string) ed25519.PublicKey { return c.runner })
		if err != nil {
			return out, nil, err
		}
		if i, ok := c.index[e.Hash.String()]; ok {
			at = append(at, i)
			continue
		}
		if past := e.Record.Kind == writ.EntryRevoke || e.Record.Kind == writ.EntryProbe; held != nil && !past {
			out.Refused = &assignment.Refused{Code: writ.ReasonFenced}
			break
		}
		if c.Refuse != nil {
			if out.Refused = c.Refuse(e); out.Refused != nil {
				break
			}
		}
		at = append(at, c.append(leaf))
	}
	return out, at, nil
}

// entries opens what the ledger holds.
func (c *fakeControl) entries() []ledger.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []ledger.Entry
	for _, leaf := range c.leaves {
		e, err := ledger.Open(leaf)
		if err != nil {
			panic(err)
		}
		out = append(out, e)
	}
	return out
}

func (c *fakeControl) answer(id writ.AssignmentID) (assignment.Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[id]
	return a, ok
}
