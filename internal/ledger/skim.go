package ledger

import (
	"crypto/ed25519"
	"fmt"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// This file reads many entries for a few of them: the leaves of a bundle without its proofs, and of an entry what it is
// before its body. Who wants to know whether the log is whole takes package verify.

// A Skimmed is an entry whose kind and time were read, and whose body was not looked into. It is good until its Skimmer's
// next call.
type Skimmed struct {
	Kind writ.EntryKind
	Time time.Time

	payload []byte
	body    canon.Value // of a record in canonical form
	whole   bool        // it is
}

// A Skimmer reads one leaf after the other into memory that it keeps. The zero Skimmer is ready; it is for one goroutine.
type Skimmer struct {
	leaf, payload, sig []byte
	record             canon.Text
}

// Skim reads of a leaf what it is. It takes an envelope over a record of known members, version, kind and time, as Open
// does, and checks neither the other members nor the body: Whole does, for those entries that are used. It verifies no
// signature.
func (m *Skimmer) Skim(leaf []byte) (Skimmed, error) {
	if err := checkSize(leaf); err != nil {
		return Skimmed{}, err
	}
	payload, err := m.open(leaf)
	if err != nil {
		return Skimmed{}, err
	}
	return m.skim(payload)
}

// SkimLeaf is Skim for a leaf whose bytes are still in base64.
func (m *Skimmer) SkimLeaf(l Leaf) (Skimmed, error) {
	var ok bool
	if m.leaf, ok = decode(m.leaf[:0], l.text); !ok && len(l.text) > 0 {
		return Skimmed{}, fmt.Errorf("%w: entry %d is not base64", writ.ErrInvalid, l.Index)
	}
	return m.Skim(m.leaf)
}

// open returns the payload of the envelope that OpenEnvelope takes for an entry's.
func (m *Skimmer) open(leaf []byte) ([]byte, error) {
	if p, ok := split(leaf); ok && string(p.payloadType) == RecordType && len(p.keyID) > 0 {
		var whole bool
		m.payload, whole = decode(m.payload[:0], p.payload)
		m.sig, ok = decode(m.sig[:0], p.sig)
		if whole && ok && len(m.sig) == ed25519.SignatureSize {
			return m.payload, nil
		}
	}
	env, err := OpenEnvelope(leaf, RecordType)
	return env.Payload, err
}

// skim reads a record. One in canonical form is split once for all its readers.
func (m *Skimmer) skim(payload []byte) (Skimmed, error) {
	s := Skimmed{payload: payload, whole: m.record.Split(payload)}
	v, body := 0, false
	member := func(name, value []byte) (err error) {
		switch string(name) {
		case "v":
			v, err = strconv.Atoi(string(value))
		case "kind":
			var known bool
			if s.Kind, known = quotedKinds[string(value)]; !known {
				err = fmt.Errorf("entry kind %s", writ.Printable(string(value), 40))
			}
		case "time":
			err = s.Time.UnmarshalJSON(value)
		case "body":
			body = true
		case "log", "task", "actor", "nonce", "refs", "blobs":
		default:
			err = fmt.Errorf("unknown member %q", writ.Printable(string(name), 40))
		}
		return err
	}
	var err error
	if !s.whole || !m.record.Root().IsObject() {
		err = canon.Members(payload, member)
	} else {
		for name, value := range m.record.Root().Members() {
			if err = member(name, value.Bytes()); err != nil {
				break
			}
			if string(name) == "body" {
				s.body = value
			}
		}
	}
	switch {
	case err != nil:
		return Skimmed{}, fmt.Errorf("%w: record: %w", writ.ErrInvalid, err)
	case v != writ.FormatVersion:
		return Skimmed{}, fmt.Errorf("%w: record version %d", writ.ErrInvalid, v)
	case s.Kind == "" || !body || s.Time.IsZero():
		return Skimmed{}, fmt.Errorf("%w: record of kind %q lacks kind, body or time", writ.ErrInvalid, s.Kind)
	}
	return s, nil
}

// quotedKinds are the kinds of entries as they stand in a record. None has an escape.
var quotedKinds = func() map[string]writ.EntryKind {
	out := make(map[string]writ.EntryKind, len(writ.EntryBodies))
	for k := range writ.EntryBodies {
		out[strconv.Quote(string(k))] = k
	}
	return out
}()

// Whole returns the body, and refuses an entry whose record, with all that is in it, is not in canonical form: a name that
// stands twice, at whatever depth, text that is no UTF-8, another spelling.
func (s Skimmed) Whole() (body canon.Value, err error) {
	if !s.whole {
		return body, fmt.Errorf("%w: record of kind %s: %w", writ.ErrInvalid, s.Kind, canon.Canonical(s.payload))
	}
	return s.body, nil
}

// Leaves reads the leaves of a bundle in their order, with their indices, and neither its proofs nor its blobs. It takes
// the bundles that ParseBundle takes, up to MaxBundle bytes. The leaves' bytes are still to be decoded: a Skimmer does it. The
// bundle must not change meanwhile.
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
