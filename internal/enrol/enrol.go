// Package enrol is how a runner becomes known to a control plane: a one-time code that carries all a new runner has to
// know, and the proof that it holds the key it asks to have registered. docs/runner.md describes the whole. The package
// is pure but for the randomness it is given.
package enrol

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/pin"
)

const (
	// secretSize is 160 bits: no number of guesses within a code's life comes near it, so its plain hash can be kept.
	secretSize = 20
	codePrefix = "writ-enrol-"
	// maxCode bounds what is parsed: a runner id has at most some 320 bytes.
	maxCode = 1 << 10
	// MaxAge is how old a proof may be, and how far ahead: clocks of machines that are being set up.
	MaxAge = time.Minute
)

// A Code is what a person hands to a new runner: whom to call, as whom, and a secret that is good once. The zero Code
// opens nothing.
type Code struct {
	Server string // fingerprint of the control plane's key
	Runner writ.RunnerID
	Secret string // base64url
}

// New makes a code from rand.
func New(server string, runner writ.RunnerID, rand io.Reader) (Code, error) {
	var b [secretSize]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return Code{}, fmt.Errorf("enrolment code: %w", err)
	}
	return Code{server, runner, base64.RawURLEncoding.EncodeToString(b[:])}, nil
}

// String is the text to hand over. It is a secret.
func (c Code) String() string {
	fingerprint, err := hex.DecodeString(strings.TrimPrefix(c.Server, "sha256:"))
	if err != nil {
		return ""
	}
	return codePrefix + base64.RawURLEncoding.EncodeToString(fingerprint) + "." + c.Secret + "." + base64.RawURLEncoding.EncodeToString([]byte(c.Runner))
}

// ParseCode reads what String wrote. Its errors never quote the input.
func ParseCode(s string) (Code, error) {
	wrong := fmt.Errorf("%w: that is not an enrolment code: it begins with %s", writ.ErrInvalid, codePrefix)
	text, ok := strings.CutPrefix(strings.TrimSpace(s), codePrefix)
	parts := strings.Split(text, ".")
	if !ok || len(s) > maxCode || len(parts) != 3 {
		return Code{}, wrong
	}
	raw := base64.RawURLEncoding.Strict()
	fingerprint, err1 := raw.DecodeString(parts[0])
	secret, err2 := raw.DecodeString(parts[1])
	id, err3 := raw.DecodeString(parts[2])
	c := Code{Server: "sha256:" + hex.EncodeToString(fingerprint), Secret: parts[1]}
	if err1 != nil || err2 != nil || err3 != nil || !pin.IsFingerprint(c.Server) || len(secret) != secretSize {
		return Code{}, wrong
	}
	var err error
	if c.Runner, err = writ.ParseRunnerID(string(id)); err != nil {
		return Code{}, wrong
	}
	return c, nil
}

// Hash is what is kept of a code's secret.
func Hash(secret string) writ.Digest { return writ.DigestOf([]byte("writ/enrol/code/v1\x00" + secret)) }

// statement is what a runner signs with the key that it asks to have registered.
type statement struct {
	Type   string        `json:"type"`
	Runner writ.RunnerID `json:"runner"`
	Server string        `json:"server"`
	Public []byte        `json:"public"`
	At     time.Time     `json:"at"`
}

func message(runner writ.RunnerID, server string, public ed25519.PublicKey, at time.Time) ([]byte, error) {
	b, err := canon.Marshal(statement{"https://writ.dev/enrol/v1", runner, server, public, writ.Instant(at)})
	if err != nil {
		return nil, err
	}
	return append([]byte("writ/enrol/v1\x00"), b...), nil
}

// Prove signs that the holder of key asks the server of that fingerprint, at that time, to register it for runner.
func Prove(key ed25519.PrivateKey, runner writ.RunnerID, server string, at time.Time) ([]byte, error) {
	m, err := message(runner, server, key.Public().(ed25519.PublicKey), at)
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(key, m), nil
}

// Proved checks a proof: by this key, for this runner and server, at most MaxAge from now.
func Proved(public ed25519.PublicKey, proof []byte, runner writ.RunnerID, server string, at, now time.Time) bool {
	if len(public) != ed25519.PublicKeySize || at.Sub(now).Abs() > MaxAge {
		return false
	}
	m, err := message(runner, server, public, at)
	return err == nil && ed25519.Verify(public, m, proof)
}
