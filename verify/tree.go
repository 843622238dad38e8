package verify

import (
	"runtime"
	"sync"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// tree compares the entries with the signed root: all together when the bundle claims to be complete, one by one with
// their proofs when it does not.
func (c *check) tree(b ledger.Bundle, head ledger.Head, signed bool) {
	last := int64(-1)
	for _, e := range b.Entries {
		if e.Index <= last {
			c.find(altered, e.Index, "order", "entry %d stands after entry %d", e.Index, last)
		}
		last = max(last, e.Index)
	}
	if !signed {
		c.doubt(missing, "without a signed checkpoint nobody knows how many entries there should be")
		return
	}
	if partial(b) {
		c.proofs(b, head)
		return
	}
	c.contiguous(b, head)
}

func partial(b ledger.Bundle) bool {
	for _, e := range b.Entries {
		if len(e.Proof) > 0 {
			return true
		}
	}
	return false
}

func (c *check) proofs(b ledger.Bundle, head ledger.Head) {
	c.doubt(missing, "the bundle holds %d of %d entries: what is left out cannot be judged", len(b.Entries), head.Size)
	for _, e := range b.Entries {
		if err := ledger.CheckInclusion(ledger.LeafHash(e.Leaf), e.Index, head, e.Proof); err != nil {
			c.find(altered, e.Index, "inclusion", "entry %d is not the one under the checkpoint: %v", e.Index, err)
		}
	}
}

func (c *check) contiguous(b ledger.Bundle, head ledger.Head) {
	gap := false
	for i, e := range b.Entries {
		if e.Index != int64(i) {
			gap = true
			c.find(missing, e.Index, "gap", "entry %d stands where entry %d should", e.Index, i)
			break
		}
	}
	n := int64(len(b.Entries))
	switch {
	case n < head.Size:
		c.find(missing, none, "truncated", "the checkpoint covers %d entries and the bundle holds %d", head.Size, n)
		c.doubt(altered, "entries are missing: the root cannot be computed")
		return
	case n > head.Size:
		c.find(altered, head.Size, "unsigned_tail", "%d entries follow after the %d that the checkpoint covers", n-head.Size, head.Size)
	}
	if got := heads(b, head.Size); !got[head.Size].Equal(head) {
		c.find(altered, none, "root", "the entries lead to the root %s; %s was signed", got[head.Size].Root, head.Root)
		return
	}
	c.r.Complete = !gap && n == head.Size
}

// heads computes the heads of the bundle's leaves at the given sizes.
func heads(b ledger.Bundle, sizes ...int64) map[int64]ledger.Head {
	want, got := map[int64]bool{}, map[int64]ledger.Head{}
	for _, s := range sizes {
		want[s] = true
	}
	var edge ledger.Edge
	for i := 0; ; i++ {
		if want[edge.Size()] {
			got[edge.Size()] = edge.Head()
		}
		if i == len(b.Entries) {
			return got
		}
		edge.Append(ledger.LeafHash(b.Entries[i].Leaf))
	}
}

// comparePins holds the bundle against checkpoints that were kept elsewhere.
func (c *check) comparePins(b ledger.Bundle, head ledger.Head, signed bool) {
	if !signed {
		return
	}
	reach := int64(0)
	sizes := []int64{head.Size}
	for _, p := range c.pins {
		sizes = append(sizes, p.head.Size)
	}
	var got map[int64]ledger.Head
	if c.r.Complete {
		got = heads(b, sizes...)
	}
	for _, p := range c.pins {
		ours, known := got[p.head.Size]
		if p.head.Size == head.Size {
			ours, known = head, true
		}
		switch {
		case p.head.Size > head.Size:
			c.find(missing, none, "truncated", "a checkpoint over %d entries was signed; this one covers %d", p.head.Size, head.Size)
		case !known:
			c.doubt(altered, "the pin at size %d cannot be compared with a bundle that is not complete", p.head.Size)
			c.doubt(missing, "the pin at size %d cannot be compared with a bundle that is not complete", p.head.Size)
		case !ours.Equal(p.head):
			f := c.find(altered, none, "fork", "the log signed two histories: at size %d the roots are %s here and %s in the pin", p.head.Size, ours.Root, p.head.Root)
			f.Notes = []string{b.Checkpoint, p.note}
		default:
			reach = max(reach, p.head.Size)
		}
	}
	switch {
	case len(c.pins) == 0:
		c.doubt(missing, "no pin was given: an older state of the log, with its genuine checkpoint, looks the same")
	case reach > 0 && reach < head.Size:
		c.r.Missing.Because = append(c.r.Missing.Because, "the newest pin reaches fewer entries than the checkpoint: newer entries that were cut off would not show")
	}
}

// open opens all entries and checks their authors, on all processors.
func (c *check) open(b ledger.Bundle) {
	c.entries, c.index = make([]ledger.Entry, len(b.Entries)), make([]int64, len(b.Entries))
	wrong := make([]func(), len(b.Entries))
	var all sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		all.Go(func() {
			for i := w; i < len(b.Entries); i += workers {
				c.index[i] = b.Entries[i].Index
				c.entries[i], wrong[i] = c.author(b.Entries[i])
			}
		})
	}
	all.Wait()
	for _, report := range wrong {
		if report != nil {
			report()
		}
	}
}

// author opens one entry. It may run beside others, so it returns its finding instead of recording it.
func (c *check) author(b ledger.BundleEntry) (ledger.Entry, func()) {
	report := func(claim int, code, format string, args ...any) func() {
		return func() { c.find(claim, b.Index, code, format, args...) }
	}
	e, err := ledger.Open(b.Leaf)
	if err != nil {
		return ledger.Entry{}, report(altered, "form", "entry %d is not an entry: %v", b.Index, err)
	}
	actor, known := c.keys.actors[e.KeyID()]
	if !known {
		return ledger.Entry{}, report(authority, "unknown_key", "entry %d is signed by the key %s, which the trust file does not name", b.Index, e.KeyID())
	}
	if err := e.Envelope.Verify(c.keys.lookup); err != nil {
		return ledger.Entry{}, report(altered, "signature", "entry %d: %v", b.Index, err)
	}
	if e.Record.Log != c.keys.origin {
		return ledger.Entry{}, report(altered, "wrong_log", "entry %d was made for the log %q", b.Index, writ.Printable(e.Record.Log, 80))
	}
	if !may(actor, e.Record.Kind) {
		return ledger.Entry{}, report(authority, "role", "entry %d of kind %s is signed by %s, who may not", b.Index, e.Record.Kind, actor.Principal)
	}
	if runnerOnly(actor) && !e.Record.Actor.Same(actor.Principal) {
		return ledger.Entry{}, report(authority, "actor", "entry %d says it is by %s; the key is that of %s", b.Index, e.Record.Actor, actor.Principal)
	}
	return e, nil
}

func may(a Actor, kind writ.EntryKind) bool {
	for _, want := range roles(kind) {
		for _, has := range a.Roles {
			if has == want {
				return true
			}
		}
	}
	return false
}

// runnerOnly: the control plane records in the name of those who asked; a runner speaks for itself alone.
func runnerOnly(a Actor) bool {
	for _, r := range a.Roles {
		if r == RoleControl {
			return false
		}
	}
	return true
}

// blobs checks disclosed content against the commitments in the entries.
func (c *check) blobs(b ledger.Bundle) {
	named := c.story.commitments()
	for _, blob := range b.Blobs {
		var salt [writ.SaltSize]byte
		copy(salt[:], blob.Salt)
		switch {
		case len(blob.Salt) != writ.SaltSize || !writ.Commit(salt, blob.Name, blob.Content).Equal(blob.Commit):
			c.find(altered, none, "blob", "the content %q does not open the commitment %s", writ.Printable(blob.Name, 80), blob.Commit)
		case !named[blob.Commit]:
			c.find(altered, none, "blob_unnamed", "no entry commits to the content %q, %s", writ.Printable(blob.Name, 80), blob.Commit)
		}
	}
}
