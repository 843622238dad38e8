// Package verify judges an exported ledger bundle offline, for auditors. It takes trust from a Trust file that came
// another way, and from pins: signed checkpoints that somebody kept. It believes nothing that the bundle says about
// keys, and imports no server code.
//
// The report keeps three questions apart: was anything altered, is anything missing, and was everything done by whom
// it should have been. "Cannot tell" is an answer of its own, and never counts as well.
package verify

import (
	"fmt"
	"io"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// Bundle reads a bundle and judges it. pins are signed checkpoints of the same log. The error is not nil only when the
// bundle could not be read, or trust or a pin is unusable; whatever is wrong with the bundle itself stands in the report.
func Bundle(r io.Reader, trust Trust, pins ...[]byte) (Report, error) {
	keys, err := trust.check()
	if err != nil {
		return Report{}, err
	}
	c := newCheck(keys)
	raw, err := io.ReadAll(io.LimitReader(r, ledger.MaxBundle+1))
	if err != nil {
		return Report{}, fmt.Errorf("%w: bundle: %w", writ.ErrUnavailable, err)
	}
	b, err := ledger.ParseBundle(raw)
	if err != nil {
		c.find(altered, none, "form", "this is not a bundle: %v", err)
		b = ledger.Bundle{}
	}
	unread := err != nil
	c.open(b)
	c.follow() // before any checkpoint is judged: a pin may be of a key that only the bundle leads to
	for i, p := range pins {
		cp, _, err := keys.open(p)
		if err != nil {
			return Report{}, fmt.Errorf("pin %d: %w", i+1, err)
		}
		c.pins = append(c.pins, signedHead{cp.Head(), string(p)})
	}
	if !unread {
		c.bundle(b)
	}
	return c.report(), nil
}

// check is one verification under way.
type check struct {
	keys    *keys
	pins    []signedHead
	r       Report
	entries []ledger.Entry // opened; a zero Hash marks one that could not be
	index   []int64        // of each
	unsure  [claims][]string
	story   *chain
}

type signedHead struct {
	head ledger.Head
	note string
}

func newCheck(k *keys) *check {
	c := &check{keys: k, r: Report{V: writ.FormatVersion, Origin: k.origin}}
	c.story = newChain(c)
	return c
}

func (c *check) bundle(b ledger.Bundle) {
	c.r.Entries = len(b.Entries)
	c.r.Pins = len(c.pins)
	head, signed := c.checkpoint(b)
	if len(b.Entries) == 0 {
		for claim := range claims {
			c.doubt(claim, "the bundle has no entries: nothing was checked")
		}
		return
	}
	c.tree(b, head, signed)
	c.comparePins(b, head, signed)
	for i, e := range c.entries {
		if !e.Hash.IsZero() {
			c.story.take(c.index[i], e)
		}
	}
	c.story.finish()
	c.blobs(b)
}

// checkpoint checks the signature under a key that was valid at that size.
func (c *check) checkpoint(b ledger.Bundle) (head ledger.Head, ok bool) {
	if b.Origin != c.keys.origin {
		c.find(altered, none, "wrong_log", "the bundle is of the log %q", writ.Printable(b.Origin, 80))
	}
	cp, key, err := c.keys.open([]byte(b.Checkpoint))
	if err != nil {
		c.find(altered, none, "checkpoint", "the checkpoint is not signed by the log: %v", err)
		return ledger.Head{}, false
	}
	c.r.Size, c.r.Root, c.r.LogKey = cp.Size, cp.Root, key
	return cp.Head(), true
}
