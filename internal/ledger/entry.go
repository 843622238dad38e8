package ledger

import (
	"errors"
	"fmt"
	"sync"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// RecordType is the payload type of every entry.
const RecordType = "application/vnd.writ.record.v1+json"

// An Entry is one opened leaf.
type Entry struct {
	Envelope Envelope
	Record   writ.Record
	Body     any         // a pointer to the registered type of Record.Kind
	Hash     writ.Digest // of the leaf: what other entries' refs name
}

// KeyID names the key that claims to have signed the entry.
func (e Entry) KeyID() string { return e.Envelope.Signatures[0].KeyID }

// Seal signs rec and returns the leaf: the stored bytes, at most writ.MaxLeaf of them.
func Seal(rec writ.Record, author Author) (leaf []byte, err error) {
	leaf, read, err := SealAhead(rec, author)
	if err == nil {
		err = read()
	}
	if err != nil {
		return nil, err
	}
	return leaf, nil
}

// SealAhead is Seal for a caller who has something to do while it is found out that the leaf can be read: read waits for that and
// returns what Seal would have. Without its nil nothing of the leaf may be kept.
func SealAhead(rec writ.Record, author Author) (leaf []byte, read func() error, err error) {
	payload, err := canon.MarshalNested(&rec, "body", &rec.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: record: %w", writ.ErrInvalid, err)
	}
	parsed := make(chan error, 1)
	go func() {
		_, _, err := parse(payload)
		parsed <- err
	}()
	leaf, err = SealEnvelope(RecordType, payload, author)
	if err != nil {
		return nil, nil, errors.Join(<-parsed, err)
	}
	if err := checkSize(leaf); err != nil {
		return nil, nil, err
	}
	return leaf, sync.OnceValue(func() error { return <-parsed }), nil
}

// Open parses a leaf: a canonical envelope over a canonical record with a canonical body of its kind, nothing unknown,
// nothing repeated. It verifies no signature.
func Open(leaf []byte) (Entry, error) {
	if err := checkSize(leaf); err != nil {
		return Entry{}, err
	}
	env, err := OpenEnvelope(leaf, RecordType)
	if err != nil {
		return Entry{}, err
	}
	rec, body, err := parse(env.Payload)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Envelope: env, Record: rec, Body: body, Hash: LeafHash(leaf)}, nil
}

// parse reads a record. Its time has one spelling: UTC and whole milliseconds.
func parse(payload []byte) (writ.Record, any, error) {
	rec, body, err := writ.ParseRecord(payload)
	if err != nil {
		return writ.Record{}, nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	if _, offset := rec.Time.Zone(); offset != 0 || !rec.Time.Equal(writ.Instant(rec.Time)) {
		return writ.Record{}, nil, fmt.Errorf("%w: a record's time is UTC in whole milliseconds", writ.ErrInvalid)
	}
	return rec, body, nil
}

// VerifyAuthor opens a leaf and checks its signature under the key that lookup trusts.
func VerifyAuthor(leaf []byte, lookup Lookup) (Entry, error) {
	e, err := Open(leaf)
	if err != nil {
		return Entry{}, err
	}
	if err := e.Envelope.Verify(lookup); err != nil {
		return Entry{}, err
	}
	return e, nil
}

func checkSize(leaf []byte) error {
	if len(leaf) == 0 || len(leaf) > writ.MaxLeaf {
		return fmt.Errorf("%w: a leaf of %d bytes; 1 to %d are allowed", writ.ErrInvalid, len(leaf), writ.MaxLeaf)
	}
	return nil
}
