package ledger

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// This file reads many entries for a few of them: the leaves of a bundle without its proofs, and of an entry what it is
// before its body. Who wants to know whether the log is whole takes package verify.

// A Skimmed is an entry whose kind and time were read, and whose body was not looked into.
type Skimmed struct {
	Kind writ.EntryKind
	Time time.Time
	Body []byte // what stands in the body's place

	payload []byte
}

// Skim reads of a leaf what it is. It takes an envelope over a record of known members, version, kind and time, as Open
// does, and checks neither the other members nor the body: Whole does, for those entries that are used.
func Skim(leaf []byte) (Skimmed, error) {
	if err := checkSize(leaf); err != nil {
		return Skimmed{}, err
	}
	env, err := OpenEnvelope(leaf, RecordType)
	if err != nil {
		return Skimmed{}, err
	}
	s := Skimmed{payload: env.Payload}
	v := 0
	err = canon.Members(env.Payload, func(name, value []byte) (err error) {
		switch string(name) {
		case "v":
			v, err = strconv.Atoi(string(value))
		case "kind":
			if n := len(value); n > 2 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 { // a kind has no escapes
				s.Kind = writ.EntryKind(value[1 : n-1])
			}
		case "time":
			err = s.Time.UnmarshalJSON(value)
		case "body":
			s.Body = value
		case "log", "task", "actor", "nonce", "refs", "blobs":
		default:
			err = fmt.Errorf("unknown member %q", writ.Printable(string(name), 40))
		}
		return err
	})
	switch {
	case err != nil:
		return Skimmed{}, fmt.Errorf("%w: record: %w", writ.ErrInvalid, err)
	case v != writ.FormatVersion:
		return Skimmed{}, fmt.Errorf("%w: record version %d", writ.ErrInvalid, v)
	case writ.EntryBodies[s.Kind] == nil:
		return Skimmed{}, fmt.Errorf("%w: entry kind %q", writ.ErrInvalid, writ.Printable(string(s.Kind), 40))
	case len(s.Body) == 0 || s.Time.IsZero():
		return Skimmed{}, fmt.Errorf("%w: record of kind %s lacks body or time", writ.ErrInvalid, s.Kind)
	}
	return s, nil
}

// Whole refuses an entry whose record, with all that is in it, is not in canonical form: a name that stands twice, at
// whatever depth, text that is no UTF-8, another spelling.
func (s Skimmed) Whole() error {
	if err := canon.Canonical(s.payload); err != nil {
		return fmt.Errorf("%w: record of kind %s: %w", writ.ErrInvalid, s.Kind, err)
	}
	return nil
}

// Leaves reads the leaves of a bundle in their order, with their indices, and neither its proofs nor its blobs. It takes
// the bundles that ParseBundle takes, up to MaxBundle bytes. The leaves' bytes are still to be decoded: Bytes does it, from
// as many goroutines as one likes. The bundle must not change meanwhile.
func Leaves(raw []byte) ([]Leaf, error) {
	bad := func(err error) ([]Leaf, error) { return nil, fmt.Errorf("%w: bundle: %w", writ.ErrInvalid, err) }
	if len(raw) > MaxBundle {
		return nil, fmt.Errorf("%w: bundle: larger than %d bytes", writ.ErrInvalid, MaxBundle)
	}
	var entries []byte
	v := 0
	err := canon.Members(raw, func(name, value []byte) (err error) {
		switch string(name) {
		case "v":
			v, err = strconv.Atoi(string(value))
		case "entries":
			entries = value
		case "origin", "checkpoint", "blobs":
		default:
			err = fmt.Errorf("unknown member %q", writ.Printable(string(name), 40))
		}
		return err
	})
	switch {
	case err != nil:
		return bad(err)
	case v != writ.FormatVersion:
		return bad(fmt.Errorf("version %d", v))
	case entries == nil:
		return bad(fmt.Errorf("it has no entries"))
	}
	var out []Leaf
	err = canon.Elements(entries, func(value []byte) error {
		l := Leaf{Index: -1}
		err := canon.Members(value, func(name, value []byte) (err error) {
			switch string(name) {
			case "index":
				l.Index, err = strconv.ParseInt(string(value), 10, 64)
			case "leaf":
				if len(value) < 2 || value[0] != '"' {
					return fmt.Errorf("a leaf is base64")
				}
				l.text = value[1 : len(value)-1]
			case "proof":
			default:
				err = fmt.Errorf("unknown member %q", writ.Printable(string(name), 40))
			}
			return err
		})
		if err == nil && (l.Index < 0 || l.text == nil) {
			err = fmt.Errorf("an entry has index and leaf")
		}
		out = append(out, l)
		return err
	})
	if err != nil {
		return bad(err)
	}
	return out, nil
}

// A Leaf is one entry of a bundle whose bytes are still in base64.
type Leaf struct {
	Index int64
	text  []byte
}

// Bytes decodes the leaf.
func (l Leaf) Bytes() ([]byte, error) {
	b, err := base64.StdEncoding.Strict().AppendDecode(nil, l.text)
	if err != nil {
		return nil, fmt.Errorf("%w: entry %d is not base64", writ.ErrInvalid, l.Index)
	}
	return b, nil
}
