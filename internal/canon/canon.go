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
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
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
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	if err := Check(raw); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrForm, err)
	}
	return out, nil
}

// Parse decodes canonical bytes into v, a pointer to a closed type, and refuses anything whose canonical form is
// not exactly b. On error v is undefined.
func Parse(b []byte, v any) error {
	if err := decode(b, v); err != nil {
		return err
	}
	again, err := Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("%w: the bytes do not survive a round trip", ErrForm)
	}
	return nil
}

// ParseLoose decodes b into v as Parse does, but takes any white space and order of members. Use it for input that
// people or programs write by hand; never for bytes whose digest counts.
func ParseLoose(b []byte, v any) error {
	if err := decode(b, v); err != nil {
		return err
	}
	again, err := Marshal(v)
	if err != nil {
		return err
	}
	want, err := jcs.Transform(b)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	if !bytes.Equal(again, want) {
		return fmt.Errorf("%w: a member is unknown, null, repeated or misspelt", ErrForm)
	}
	return nil
}

func decode(b []byte, v any) error {
	if err := Check(b); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	return nil
}

// Check reports whether b is one JSON value that all readers agree on: valid UTF-8, no duplicate or null members,
// whole numbers within MaxInt and written plainly, bounded depth, nothing after it.
func Check(b []byte) error {
	if !utf8.Valid(b) {
		return fmt.Errorf("%w: invalid UTF-8", ErrForm)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := value(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows the value", ErrForm)
	}
	return nil
}

func value(d *json.Decoder, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrForm, MaxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	switch t := t.(type) {
	case nil:
		return fmt.Errorf("%w: null", ErrForm)
	case json.Number:
		return number(t.String())
	case string:
		if strings.ContainsRune(t, utf8.RuneError) {
			return fmt.Errorf("%w: a replacement character or lone surrogate", ErrForm)
		}
	case json.Delim:
		if t == '{' {
			return object(d, depth)
		}
		for d.More() {
			if err := value(d, depth+1); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil { // the closing bracket
			return fmt.Errorf("%w: %v", ErrForm, err)
		}
	}
	return nil
}

func object(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: %v", ErrForm, err)
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("%w: a member name is not a string", ErrForm)
		}
		if seen[name] {
			return fmt.Errorf("%w: member %q twice", ErrForm, name)
		}
		seen[name] = true
		if err := value(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	return nil
}

func number(s string) error {
	digits := strings.TrimPrefix(s, "-")
	if digits == "0" && s != "0" {
		return fmt.Errorf("%w: number %s", ErrForm, s)
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' || n > MaxInt {
			return fmt.Errorf("%w: number %.40s is not a plain integer within 2^53-1", ErrForm, s)
		}
		n = n*10 + int64(c-'0')
	}
	if n > MaxInt {
		return fmt.Errorf("%w: number %.40s is not a plain integer within 2^53-1", ErrForm, s)
	}
	return nil
}
