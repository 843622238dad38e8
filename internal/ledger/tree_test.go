package ledger_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// merkle is RFC 6962 section 2.1, as it is written there: the second opinion on every root.
func merkle(leaves [][]byte) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		l, r := merkle(leaves[:k]), merkle(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
	}
}

func TestTheEdgeGrowsTheTreeOfRFC6962(t *testing.T) {
	l := grow(130)
	for n := range 131 {
		want := merkle(l.leaves[:n])
		if string(l.heads[n].Root.Bytes()) != string(want[:]) || l.heads[n].Size != int64(n) {
			t.Fatalf("size %d: root %s, want %x", n, l.heads[n].Root, want)
		}
		if h, err := ledger.RootAt(int64(n), l); err != nil || !h.Equal(l.heads[n]) {
			t.Fatalf("size %d from its nodes: %v %v", n, h, err)
		}
		edge, err := ledger.LoadEdge(int64(n), l)
		if err != nil {
			t.Fatal(err)
		}
		if got := edge.Head(); !got.Equal(l.heads[n]) {
			t.Fatalf("edge of size %d: %v", n, got)
		}
		before := edge.Clone()
		edge.Append(ledger.LeafHash([]byte("more")))
		if got := before.Head(); !got.Equal(l.heads[n]) {
			t.Fatalf("the clone of size %d changed with the edge", n)
		}
	}
	if int64(len(l.all)) != tlog.StoredHashCount(130) {
		t.Errorf("%d stored hashes, want %d", len(l.all), tlog.StoredHashCount(130))
	}
}

func TestI17EveryProofHoldsAndNoOther(t *testing.T) {
	const n = 24
	l := grow(n)
	for size := int64(1); size <= n; size++ {
		for index := range size {
			p, err := ledger.ProveInclusion(index, size, l)
			if err != nil {
				t.Fatal(err)
			}
			leaf := ledger.LeafHash(l.leaves[index])
			if err := ledger.CheckInclusion(leaf, index, l.heads[size], p); err != nil {
				t.Fatalf("%d in %d: %v", index, size, err)
			}
			refuse(t, fmt.Sprintf("%d in %d: another leaf", index, size), ledger.CheckInclusion(ledger.LeafHash([]byte("x")), index, l.heads[size], p))
			refuse(t, fmt.Sprintf("%d in %d: a longer proof", index, size), ledger.CheckInclusion(leaf, index, l.heads[size], append(p[:len(p):len(p)], leaf)))
			refuse(t, fmt.Sprintf("%d in %d: another root", index, size), ledger.CheckInclusion(leaf, index, ledger.Head{Size: size, Root: writ.DigestOf(nil)}, p))
			refuse(t, fmt.Sprintf("%d in %d: beyond the end", index, size), ledger.CheckInclusion(leaf, size, l.heads[size], p))
			refuse(t, fmt.Sprintf("%d in %d: before the beginning", index, size), ledger.CheckInclusion(leaf, -1, l.heads[size], p))
			if len(p) > 0 {
				refuse(t, fmt.Sprintf("%d in %d: a shorter proof", index, size), ledger.CheckInclusion(leaf, index, l.heads[size], p[1:]))
				refuse(t, fmt.Sprintf("%d in %d: its neighbour's place", index, size), ledger.CheckInclusion(leaf, index^1, l.heads[size], p))
			}
		}
		for from := range size + 1 {
			p, err := ledger.ProveConsistency(from, size, l)
			if err != nil {
				t.Fatal(err)
			}
			if err := ledger.CheckConsistency(l.heads[from], l.heads[size], p); err != nil {
				t.Fatalf("%d to %d: %v", from, size, err)
			}
			if from > 0 {
				fork := ledger.Head{Size: from, Root: writ.DigestOf([]byte("fork"))}
				refuse(t, fmt.Sprintf("%d to %d: a fork", from, size), ledger.CheckConsistency(fork, l.heads[size], p))
			}
			if from < size {
				refuse(t, fmt.Sprintf("%d to %d: backwards", size, from), ledger.CheckConsistency(l.heads[size], l.heads[from], p))
			}
			refuse(t, fmt.Sprintf("%d to %d: a longer proof", from, size), ledger.CheckConsistency(l.heads[from], l.heads[size], append(p[:len(p):len(p)], l.heads[size].Root)))
		}
	}
	refuse(t, "an empty tree that is not", ledger.CheckConsistency(ledger.Head{Root: writ.DigestOf([]byte("x"))}, l.heads[n], nil))
	refuse(t, "beyond all sizes", ledger.CheckConsistency(l.heads[1], ledger.Head{Size: ledger.MaxSize + 1, Root: l.heads[1].Root}, nil))
}

func refuse(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("%s: want %v, got %v", what, writ.ErrInvalid, err)
	}
}

// A node of the tree, offered as a leaf, has another hash: leaves and nodes are told apart by their first byte.
func TestI17ANodeIsNoLeaf(t *testing.T) {
	l := grow(4)
	pair := append(append([]byte(nil), l.all[0][:]...), l.all[1][:]...)
	p, err := ledger.ProveInclusion(0, 2, &log{all: []tlog.Hash{l.all[2], l.all[5], l.all[6]}})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, "a node as a leaf", ledger.CheckInclusion(ledger.LeafHash(pair), 0, ledger.Head{Size: 2, Root: l.heads[4].Root}, p))
}

func FuzzProofs(f *testing.F) {
	l := grow(9)
	f.Add(int64(3), int64(9), l.heads[9].Root.Bytes())
	f.Fuzz(func(t *testing.T, index, size int64, raw []byte) {
		var proof []writ.Digest
		for len(raw) >= 32 && len(proof) < 200 {
			if d, err := writ.ParseDigest(fmt.Sprintf("sha256:%x", raw[:32])); err == nil {
				proof = append(proof, d)
			}
			raw = raw[32:]
		}
		head := ledger.Head{Size: size, Root: l.heads[9].Root}
		if ledger.CheckInclusion(ledger.LeafHash([]byte("forged")), index, head, proof) == nil {
			t.Fatal("a forged leaf was proved")
		}
		if size > 3 && ledger.CheckConsistency(ledger.Head{Size: 3, Root: writ.DigestOf([]byte("fork"))}, head, proof) == nil && size != 3 {
			t.Fatal("a fork was proved consistent")
		}
	})
}
