package ledger

import (
	"encoding/hex"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/writ-dev/writ"
)

// MaxSize bounds trees, so that every size and index is exact in JSON.
const MaxSize = 1<<53 - 1

// LeafHash is the RFC 6962 hash of a leaf: SHA-256 over a zero byte and the stored bytes.
func LeafHash(leaf []byte) writ.Digest {
	return writ.DigestOf(append(append(make([]byte, 0, len(leaf)+1), 0), leaf...))
}

// EmptyRoot is the root of the empty tree.
func EmptyRoot() writ.Digest { return writ.DigestOf(nil) }

// Nodes reads hashes of complete subtrees by their stored index (tlog.StoredHashIndex).
type Nodes = tlog.HashReader

// RootAt returns the head of the tree's first size leaves.
func RootAt(size int64, nodes Nodes) (Head, error) {
	if size == 0 {
		return Head{0, EmptyRoot()}, nil
	}
	h, err := tlog.TreeHash(size, nodes)
	if err != nil {
		return Head{}, fmt.Errorf("root at size %d: %w", size, err)
	}
	return Head{size, digest(h)}, nil
}

// ProveInclusion returns the audit path of leaf index in the tree of the given size (RFC 6962 section 2.1.1).
func ProveInclusion(index, size int64, nodes Nodes) ([]writ.Digest, error) {
	p, err := tlog.ProveRecord(size, index, nodes)
	if err != nil {
		return nil, fmt.Errorf("inclusion of %d in %d: %w", index, size, err)
	}
	return digests(p), nil
}

// ProveConsistency returns the proof that the tree of size to extends the tree of size from (RFC 6962 section 2.1.2).
// It is empty when from is 0.
func ProveConsistency(from, to int64, nodes Nodes) ([]writ.Digest, error) {
	if from == 0 || from == to {
		return nil, nil
	}
	p, err := tlog.ProveTree(to, from, nodes)
	if err != nil {
		return nil, fmt.Errorf("consistency of %d with %d: %w", from, to, err)
	}
	return digests(p), nil
}

// CheckInclusion checks an audit path.
func CheckInclusion(leaf writ.Digest, index int64, head Head, proof []writ.Digest) error {
	if index < 0 || index >= head.Size || head.Size > MaxSize || len(proof) > maxProof {
		return fmt.Errorf("%w: no leaf %d in a tree of size %d", writ.ErrInvalid, index, head.Size)
	}
	if err := tlog.CheckRecord(hashes(proof), head.Size, hash(head.Root), index, hash(leaf)); err != nil {
		return fmt.Errorf("%w: leaf %d is not in the tree: %w", writ.ErrInvalid, index, err)
	}
	return nil
}

// CheckConsistency checks that next extends old. Any tree extends the empty one.
func CheckConsistency(old, next Head, proof []writ.Digest) error {
	switch {
	case old.Size < 0 || old.Size > next.Size || next.Size > MaxSize || len(proof) > maxProof:
		return fmt.Errorf("%w: size %d does not follow %d", writ.ErrInvalid, next.Size, old.Size)
	case old.Size == 0 || old.Size == next.Size:
		if len(proof) != 0 {
			return fmt.Errorf("%w: a proof where none is needed", writ.ErrInvalid)
		}
		if old.Size == next.Size && !old.IsZero() && !old.Root.Equal(next.Root) {
			return fmt.Errorf("%w: two roots at size %d: %s and %s", writ.ErrInvalid, old.Size, old.Root, next.Root)
		}
		if old.Size == 0 && !old.IsZero() && !old.Root.Equal(EmptyRoot()) {
			return fmt.Errorf("%w: not the root of an empty tree", writ.ErrInvalid)
		}
		return nil
	}
	if err := tlog.CheckTree(tlog.TreeProof(hashes(proof)), next.Size, hash(next.Root), old.Size, hash(old.Root)); err != nil {
		return fmt.Errorf("%w: the tree of size %d does not extend the tree of size %d: %w", writ.ErrInvalid, next.Size, old.Size, err)
	}
	return nil
}

// maxProof is above the longest proof of a tree of MaxSize leaves.
const maxProof = 128

// An Edge is the right edge of a growing tree: the roots of its complete subtrees, largest first. Appending needs
// nothing else. The zero Edge is the empty tree. Copies made by Clone are independent.
type Edge struct {
	size  int64
	peaks []tlog.Hash
}

// LoadEdge returns the edge of the tree's first size leaves.
func LoadEdge(size int64, nodes Nodes) (Edge, error) {
	var at []int64
	var done int64
	for level := bits.Len64(uint64(size)) - 1; level >= 0; level-- {
		if size&(1<<level) != 0 {
			at = append(at, tlog.StoredHashIndex(level, done>>level))
			done += 1 << level
		}
	}
	if len(at) == 0 {
		return Edge{}, nil
	}
	peaks, err := nodes.ReadHashes(at)
	if err != nil {
		return Edge{}, fmt.Errorf("edge of size %d: %w", size, err)
	}
	return Edge{size, peaks}, nil
}

// Clone returns an independent copy.
func (e *Edge) Clone() Edge { return Edge{e.size, append([]tlog.Hash(nil), e.peaks...)} }

// Size returns the number of leaves.
func (e *Edge) Size() int64 { return e.size }

// Append adds a leaf hash and returns the subtree roots that it completed, from level 1 upwards: with the leaf hash
// itself they are the stored hashes of this leaf.
func (e *Edge) Append(leaf writ.Digest) (completed []tlog.Hash) {
	h := hash(leaf)
	for n := e.size; n&1 == 1; n >>= 1 {
		last := len(e.peaks) - 1
		h = tlog.NodeHash(e.peaks[last], h)
		e.peaks = e.peaks[:last]
		completed = append(completed, h)
	}
	e.peaks = append(e.peaks, h)
	e.size++
	return completed
}

// Head returns size and root.
func (e *Edge) Head() Head {
	if e.size == 0 {
		return Head{0, EmptyRoot()}
	}
	h := e.peaks[len(e.peaks)-1]
	for i := len(e.peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(e.peaks[i], h)
	}
	return Head{e.size, digest(h)}
}

func hash(d writ.Digest) (h tlog.Hash) {
	copy(h[:], d.Bytes())
	return h
}

func hashes(ds []writ.Digest) []tlog.Hash {
	hs := make([]tlog.Hash, len(ds))
	for i, d := range ds {
		hs[i] = hash(d)
	}
	return hs
}

// digest fails only for the all-zero hash, which SHA-256 does not return for anything anybody knows; it then yields
// the zero Digest, which equals nothing.
func digest(h tlog.Hash) writ.Digest {
	d, err := writ.ParseDigest("sha256:" + hex.EncodeToString(h[:]))
	if err != nil {
		return writ.Digest{}
	}
	return d
}

func digests(hs []tlog.Hash) []writ.Digest {
	if len(hs) == 0 {
		return nil
	}
	ds := make([]writ.Digest, len(hs))
	for i, h := range hs {
		ds[i] = digest(h)
	}
	return ds
}
