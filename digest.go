package writ

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

const digestPrefix = "sha256:"

// A Digest is the SHA-256 of stored bytes. Its text form is "sha256:" and 64 lower-case hexadecimal digits.
// The zero Digest is invalid and equals nothing.
type Digest struct{ sum [sha256.Size]byte }

// DigestOf hashes b.
func DigestOf(b []byte) Digest { return Digest{sha256.Sum256(b)} }

// ParseDigest is the only way in from text.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	return d, d.UnmarshalText([]byte(s))
}

// Equal compares in constant time. A zero Digest is never equal, not even to itself.
func (d Digest) Equal(e Digest) bool {
	return !d.IsZero() && subtle.ConstantTimeCompare(d.sum[:], e.sum[:]) == 1
}

// IsZero reports whether d is the invalid zero value.
func (d Digest) IsZero() bool { return d == Digest{} }

// Bytes returns the 32 bytes of the hash.
func (d Digest) Bytes() []byte { return d.sum[:] }

// String returns the text form, or the empty string for the zero Digest.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return digestPrefix + hex.EncodeToString(d.sum[:])
}

// MarshalText refuses the zero Digest.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("%w: an empty digest", ErrInvalid)
	}
	return []byte(d.String()), nil
}

// UnmarshalText takes the text form only, in lower case.
func (d *Digest) UnmarshalText(b []byte) error { return unhex(string(b), digestPrefix, &d.sum) }

const commitmentPrefix = "hmac-sha256:"

// SaltSize is the size of a commitment's salt: 256 bits, so that low-entropy contents cannot be guessed.
const SaltSize = 32

// A Commitment binds to off-ledger bytes without revealing them: HMAC-SHA-256 under a fresh salt that is stored
// beside the bytes and destroyed with them. The zero Commitment is invalid.
type Commitment struct{ sum [sha256.Size]byte }

// Commit binds name and content under salt. The name is length-prefixed, so no two pairs share an input.
func Commit(salt [SaltSize]byte, name string, content []byte) Commitment {
	m := hmac.New(sha256.New, salt[:])
	m.Write([]byte("writ/commitment/v1\x00"))
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(name)))
	m.Write(n[:])
	m.Write([]byte(name))
	m.Write(content)
	var c Commitment
	copy(c.sum[:], m.Sum(nil))
	return c
}

// Equal compares in constant time; a zero Commitment is never equal.
func (c Commitment) Equal(e Commitment) bool {
	return !c.IsZero() && subtle.ConstantTimeCompare(c.sum[:], e.sum[:]) == 1
}

// IsZero reports whether c is the invalid zero value.
func (c Commitment) IsZero() bool { return c == Commitment{} }

// String returns the text form "hmac-sha256:<hex>", or the empty string for the zero value.
func (c Commitment) String() string {
	if c.IsZero() {
		return ""
	}
	return commitmentPrefix + hex.EncodeToString(c.sum[:])
}

// MarshalText refuses the zero Commitment.
func (c Commitment) MarshalText() ([]byte, error) {
	if c.IsZero() {
		return nil, fmt.Errorf("%w: an empty commitment", ErrInvalid)
	}
	return []byte(c.String()), nil
}

// UnmarshalText takes the text form only, in lower case.
func (c *Commitment) UnmarshalText(b []byte) error {
	return unhex(string(b), commitmentPrefix, &c.sum)
}

func unhex(s, prefix string, to *[sha256.Size]byte) error {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*sha256.Size || strings.ToLower(digits) != digits {
		return fmt.Errorf("%w: a digest is %q and 64 lower-case hexadecimal digits", ErrInvalid, prefix)
	}
	var sum [sha256.Size]byte
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil || sum == [sha256.Size]byte{} {
		return fmt.Errorf("%w: a digest is %q and 64 lower-case hexadecimal digits, not all zero", ErrInvalid, prefix)
	}
	*to = sum
	return nil
}
