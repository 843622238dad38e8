package writ

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/writ-dev/writ/internal/canon"
)

// A Value is a typed parameter: a string, a whole number or a truth value, and nothing else. The zero Value is
// invalid. Values are comparable with ==.
type Value struct {
	kind byte // 's', 'i' or 'b'
	s    string
	i    int64
	b    bool
}

// String, Int and Bool make Values.
func String(s string) Value { return Value{kind: 's', s: s} }

// Int makes a whole-number Value; it must lie within ±(2^53-1) to be stored.
func Int(i int64) Value { return Value{kind: 'i', i: i} }

// Bool makes a truth Value.
func Bool(b bool) Value { return Value{kind: 'b', b: b} }

// Str returns the string and whether v is one.
func (v Value) Str() (string, bool) { return v.s, v.kind == 's' }

// Int64 returns the whole number and whether v is one.
func (v Value) Int64() (int64, bool) { return v.i, v.kind == 'i' }

// IsTrue returns the truth value and whether v is one.
func (v Value) IsTrue() (bool, bool) { return v.b, v.kind == 'b' }

// IsZero reports whether v is the invalid zero Value.
func (v Value) IsZero() bool { return v.kind == 0 }

// String renders v for people, printable and cut to 80 characters.
func (v Value) String() string {
	switch v.kind {
	case 's':
		return Printable(v.s, 80)
	case 'i':
		return strconv.FormatInt(v.i, 10)
	case 'b':
		return strconv.FormatBool(v.b)
	}
	return "none"
}

// MarshalJSON writes the plain JSON value.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case 's':
		return json.Marshal(v.s)
	case 'i':
		return strconv.AppendInt(nil, v.i, 10), nil
	case 'b':
		return strconv.AppendBool(nil, v.b), nil
	}
	return nil, fmt.Errorf("%w: a parameter without a value", ErrInvalid)
}

// UnmarshalJSON takes a string, a whole number within ±(2^53-1) or a truth value.
func (v *Value) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*v = String(s)
	case bytes.Equal(b, []byte("true")), bytes.Equal(b, []byte("false")):
		*v = Bool(b[0] == 't')
	default:
		i, err := strconv.ParseInt(string(b), 10, 64)
		if err != nil || i > canon.MaxInt || i < -canon.MaxInt {
			return fmt.Errorf("%w: a parameter is a string, a whole number within 2^53-1, true or false", ErrInvalid)
		}
		*v = Int(i)
	}
	return nil
}

// Parameters are the named arguments of a playbook, an operation or a reader.
type Parameters map[string]Value
