// Package canon is the one place where Writ turns values into canonical JSON (RFC 8785) and back.
//
// A digest in Writ is always taken over stored bytes. What is parsed from such bytes must round-trip: Parse
// demands that the canonical form of the decoded value is, byte for byte, the input. That one rule refuses
// duplicate keys, names that differ only in case, unknown members, explicit nulls, fractions, integers that
// JSON readers disagree about, and every spelling but one of the same value.
//
// All functions are pure and safe for concurrent use.
package canon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// MaxInt is the largest integer magnitude that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3,
// RFC 7493 section 2.2): 2^53 - 1.
const MaxInt = 1<<53 - 1

// MaxDepth bounds nesting: no format of Writ is deeper than 12, and the parser recurses.
const MaxDepth = 32

// ErrForm is wrapped by every refusal of Parse and Check: the bytes are not the canonical form of a value of the
// wanted type.
var ErrForm = errors.New("not canonical JSON of this type")

// Marshal returns the canonical form of v. It refuses fractions and integers beyond MaxInt, since RFC 8785 maps
// different ones of them to the same bytes.
func Marshal(v any) ([]byte, error) {
	w := works.Get().(*work)
	defer w.done()
	return w.marshal(nil, v)
}

// Parse decodes canonical bytes into v, a pointer to a closed type, and refuses anything whose canonical form is
// not exactly b. On error v is undefined.
func Parse(b []byte, v any) error {
	w := works.Get().(*work)
	defer w.done()
	var err error
	if !isCanonical(b) { // what is not would not survive the round trip: scan says what is wrong
		if w.form, err = w.scan(w.form[:0], b); err != nil {
			return err
		}
	}
	return w.same(b, v)
}

// same parses what is in canonical form. A member that v does not know is lost on the way and makes the difference.
func (w *work) same(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	if w.form, err = w.marshal(w.form[:0], v); err != nil {
		return err
	}
	if !bytes.Equal(w.form, b) {
		if err := decode(b, v); err != nil { // it names what is unknown
			return err
		}
		return fmt.Errorf("%w: the bytes do not survive a round trip", ErrForm)
	}
	return nil
}

// ParseLoose decodes b into v as Parse does, but takes any white space and order of members. Use it for input that
// people or programs write by hand; never for bytes whose digest counts.
func ParseLoose(b []byte, v any) error {
	w := works.Get().(*work)
	defer w.done()
	want, err := w.scan(nil, b)
	if err != nil {
		return err
	}
	if err := decode(b, v); err != nil {
		return err
	}
	if w.form, err = w.marshal(w.form[:0], v); err != nil {
		return err
	}
	if !bytes.Equal(w.form, want) {
		return fmt.Errorf("%w: a member is unknown, null, repeated or misspelt", ErrForm)
	}
	return nil
}

// Check reports whether b is one JSON value that all readers agree on: valid UTF-8, no duplicate or null members,
// whole numbers within MaxInt and written plainly, bounded depth, nothing after it.
func Check(b []byte) error {
	w := works.Get().(*work)
	defer w.done()
	var err error
	w.form, err = w.scan(w.form[:0], b)
	return err
}

func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	return nil
}

// A work is the memory of one call, kept for the next.
type work struct {
	scanner
	form  []byte
	raw   bytes.Buffer
	enc   *json.Encoder // into raw
	whole Text          // that is parsed in parts
}

var works = sync.Pool{New: func() any {
	w := new(work)
	w.enc = json.NewEncoder(&w.raw)
	return w
}}

// maxKept bounds what a work keeps: four of the largest ledger entries. Larger documents are rare.
const maxKept = 256 << 10

func (w *work) done() {
	w.forget()
	if cap(w.form) <= maxKept && w.raw.Cap() <= maxKept {
		works.Put(w)
	}
}

// marshal appends the canonical form of v to dst.
func (w *work) marshal(dst []byte, v any) ([]byte, error) {
	w.raw.Reset()
	if err := w.enc.Encode(v); err != nil {
		return dst, fmt.Errorf("canonical JSON: %w", err)
	}
	return w.scan(slices.Grow(dst, w.raw.Len()), w.raw.Bytes())
}
