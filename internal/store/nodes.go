package store

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// nodes reads stored hashes of the tree. The node of level l and number n is completed by entry (n+1)·2^l - 1.
type nodes struct{ conn conn }

// ReadHashes implements ledger.Nodes.
func (r nodes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	want := map[int64][]int{} // entry -> positions in indexes
	args := make([]any, 0, len(indexes))
	level := make([]int, len(indexes))
	for i, index := range indexes {
		l, n := tlog.SplitStoredHashIndex(index)
		entry := (n+1)<<l - 1
		if want[entry] == nil {
			args = append(args, entry)
		}
		want[entry], level[i] = append(want[entry], i), l
	}
	found := make([]tlog.Hash, len(indexes))
	left := len(indexes)
	query := "SELECT idx, hash, nodes FROM entry WHERE idx IN (?" + strings.Repeat(", ?", len(args)-1) + ")"
	err := r.conn.query(query, func(rows row) error {
		var entry int64
		var leaf, completed []byte
		if err := rows.Scan(&entry, &leaf, &completed); err != nil {
			return err
		}
		all := append(leaf[:len(leaf):len(leaf)], completed...)
		for _, i := range want[entry] {
			at := level[i] * tlog.HashSize
			if len(all) < at+tlog.HashSize {
				return fmt.Errorf("entry %d lacks its node of level %d", entry, level[i])
			}
			copy(found[i][:], all[at:])
			left--
		}
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	if left > 0 {
		return nil, fmt.Errorf("%d of %d nodes are missing", left, len(indexes))
	}
	return found, nil
}

// joined is how completed nodes are stored: nil for none.
func joined(hs []tlog.Hash) []byte {
	var b []byte
	for _, h := range hs {
		b = append(b, h[:]...)
	}
	return b
}
