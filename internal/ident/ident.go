// Package ident makes identifiers and nonces. Clock and randomness are the caller's; all functions are safe for
// concurrent use if the reader of randomness is.
package ident

import (
	"encoding"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/oklog/ulid/v2"
)

// New returns prefix, an underscore and a ULID of the millisecond of now and 80 random bits. Identifiers of one kind
// sort by the time they were made; within one millisecond their order is random.
func New(prefix string, now time.Time, rand io.Reader) (string, error) {
	if prefix == "" {
		return "", fmt.Errorf("identifier without a kind")
	}
	if now.UnixMilli() <= 0 {
		return "", fmt.Errorf("identifier %s: the clock is not set", prefix)
	}
	id, err := ulid.New(ulid.Timestamp(now), rand)
	if err != nil {
		return "", fmt.Errorf("identifier %s: %w", prefix, err)
	}
	return prefix + "_" + id.String(), nil
}

// Make returns a new identifier of type T, through T's own parser, so that a prefix of another kind is an error:
//
//	id, err := ident.Make[writ.PlanID]("pln", now, rand)
func Make[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](prefix string, now time.Time, rand io.Reader) (T, error) {
	var id T
	s, err := New(prefix, now, rand)
	if err != nil {
		return id, err
	}
	return id, P(&id).UnmarshalText([]byte(s))
}

// nonceSize is 128 bits: two nonces never meet by chance, and none can be guessed.
const nonceSize = 16

// Nonce returns 128 random bits as 22 characters of base64url without padding.
func Nonce(rand io.Reader) (string, error) {
	var b [nonceSize]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
