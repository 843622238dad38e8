package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// A Cell keeps one small value in a file and replaces it in place, at the price of one fdatasync; a rename costs
// twenty times as much on ext4. Two slots are written in turn, each with a number and a checksum, so a write that a
// crash tears leaves the value before it. It is not safe for concurrent use.
type Cell struct {
	f   *os.File
	seq uint64
}

const (
	slotSize   = 4096 // a page: no slot shares one with the other
	slotMagic  = "writcell"
	slotHeader = len(slotMagic) + 8 + 4 + sha256.Size
	// MaxCell is the largest value in bytes.
	MaxCell = slotSize - slotHeader
)

// ErrTorn says that neither slot of a cell holds a whole value.
var ErrTorn = errors.New("no whole value is left")

// CreateCell makes the file at path, which must not exist, with a first value, durably.
func CreateCell(path string, value []byte) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("%s: %w", path, os.ErrExist))
	}
	slot, err := encodeSlot(1, value)
	if err != nil {
		return err
	}
	return WriteFile(path, append(make([]byte, slotSize), slot...), 0o600) // number 1 is odd: the second slot
}

// OpenCell opens the file and returns its newest whole value. The file must have been made by CreateCell: a missing
// file is an error, never an empty value.
func OpenCell(path string) (*Cell, []byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	both := make([]byte, 2*slotSize)
	if _, err := f.ReadAt(both, 0); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	c := &Cell{f: f}
	var value []byte
	for i := range uint64(2) {
		seq, v, ok := decodeSlot(both[i*slotSize : (i+1)*slotSize])
		if ok && seq%2 == i && seq > c.seq {
			c.seq, value = seq, v
		}
	}
	if c.seq == 0 {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, ErrTorn), f.Close())
	}
	return c, value, nil
}

// Set replaces the value. It is durable when Set returns nil. After an error the cell holds the old or the new value
// and must not be used further.
func (c *Cell) Set(value []byte) error {
	slot, err := encodeSlot(c.seq+1, value)
	if err != nil {
		return err
	}
	if _, err := c.f.WriteAt(slot, int64((c.seq+1)%2)*slotSize); err != nil {
		return err
	}
	if err := syncData(c.f); err != nil {
		return err
	}
	c.seq++ // Committed.
	return nil
}

// Close closes the file.
func (c *Cell) Close() error { return c.f.Close() }

func encodeSlot(seq uint64, value []byte) ([]byte, error) {
	if len(value) > MaxCell {
		return nil, fmt.Errorf("a value of %d bytes; a cell holds %d", len(value), MaxCell)
	}
	b := make([]byte, 0, slotSize)
	b = append(b, slotMagic...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	sum := slotSum(b, value)
	b = append(append(b, sum[:]...), value...)
	return b[:slotSize], nil // zeros fill the page
}

func decodeSlot(b []byte) (seq uint64, value []byte, ok bool) {
	head, rest := b[:slotHeader-sha256.Size], b[slotHeader:]
	seq = binary.BigEndian.Uint64(head[len(slotMagic):])
	n := binary.BigEndian.Uint32(head[len(slotMagic)+8:])
	if string(head[:len(slotMagic)]) != slotMagic || int(n) > len(rest) {
		return 0, nil, false
	}
	value = rest[:n]
	sum := slotSum(head, value)
	return seq, value, bytes.Equal(sum[:], b[len(head):slotHeader])
}

func slotSum(head, value []byte) [sha256.Size]byte {
	return sha256.Sum256(append(append(make([]byte, 0, len(head)+len(value)), head...), value...))
}
