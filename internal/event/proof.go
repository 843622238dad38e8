package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Limits of proofs.
const (
	MaxSecrets    = 2  // the one in use and the one that takes its place
	MinSecret     = 32 // bytes: 128 bits in hexadecimal
	maxSignatures = 8  // in one header: a sender rotates its secrets, too
	skew          = 5 * time.Minute
	windowShort   = 5 * time.Minute // senders sign each attempt anew
	windowLong    = time.Hour       // PagerDuty signs the event and repeats it
)

// A Proof is how a source shows that a call is its own: exactly one of its ways is set.
type Proof struct {
	Secrets [][]byte      // HMAC-SHA-256, one or two
	Tokens  [][]byte      // bearer tokens, one or two
	Names   []string      // DNS names or URIs of a client certificate
	Window  time.Duration // how old a signed event may be; 0 is the default of the form
}

// Headers of signatures. PagerDuty signs the body. The others sign "<id>.<seconds>.<body>", as Standard Webhooks does:
// every sender that follows it can call Writ.
const (
	headerPagerDuty = "X-PagerDuty-Signature" // v1=<hex>, more than one with commas
	headerID        = "Webhook-Id"
	headerTime      = "Webhook-Timestamp" // seconds since 1970
	headerSignature = "Webhook-Signature" // v1,<base64>, more than one with blanks
)

// A Call is what a source is judged by.
type Call struct {
	Header func(name string) string
	Body   []byte
	Cert   *x509.Certificate // verified by the listener; nil without one
	Now    time.Time
}

// Prove checks that a call is its source's. It returns the id that is bound to the signature, if there is one. Refusals
// do not say how near a call was.
func (s Source) Prove(c Call) (id string, err error) {
	switch {
	case len(s.Proof.Names) > 0:
		if c.Cert == nil {
			return "", unproven("source %s proves itself with a client certificate, at the address intake.listen", s.Name)
		}
		names := slices.Clone(c.Cert.DNSNames)
		for _, u := range c.Cert.URIs {
			names = append(names, u.String())
		}
		if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(s.Proof.Names, n) }) {
			return "", unproven("the client certificate has none of the names of source %s", s.Name)
		}
		return "", nil
	case len(s.Proof.Tokens) > 0:
		scheme, token, _ := strings.Cut(c.Header("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || !anyOf(s.Proof.Tokens, func(t []byte) bool { return same(t, []byte(token)) }) {
			return "", unproven("source %s proves itself with its bearer token", s.Name)
		}
		return "", nil
	case len(s.Proof.Secrets) > 0 && s.Form == PagerDuty:
		var given [][]byte
		for _, part := range strings.SplitN(c.Header(headerPagerDuty), ",", maxSignatures+1) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(part), "v1="); ok {
				if b, err := hex.DecodeString(text); err == nil {
					given = append(given, b)
				}
			}
		}
		if len(given) > maxSignatures || !s.signed(given, c.Body) {
			return "", unproven("source %s signs the body in %s", s.Name, headerPagerDuty)
		}
		return "", nil
	case len(s.Proof.Secrets) > 0:
		id, at := c.Header(headerID), c.Header(headerTime)
		seconds, err := strconv.ParseInt(at, 10, 64)
		if id == "" || len(id) > maxID || err != nil {
			return "", unproven("source %s signs with the headers %s, %s and %s", s.Name, headerID, headerTime, headerSignature)
		}
		var given [][]byte
		for _, part := range strings.SplitN(c.Header(headerSignature), " ", maxSignatures+1) {
			if text, ok := strings.CutPrefix(part, "v1,"); ok {
				if b, err := base64.StdEncoding.DecodeString(text); err == nil {
					given = append(given, b)
				}
			}
		}
		if len(given) > maxSignatures || !s.signed(given, []byte(id+"."+at+"."), c.Body) {
			return "", unproven("source %s signs id, time and body in %s", s.Name, headerSignature)
		}
		return id, s.Fresh(time.Unix(seconds, 0), c.Now)
	}
	return "", unproven("source %s has no way to prove itself", s.Name)
}

// Fresh refuses what a source signed too long ago, or for a time to come.
func (s Source) Fresh(at, now time.Time) error {
	if at.Before(now.Add(-s.Window())) || at.After(now.Add(skew)) {
		return unproven("the event of source %s is older than %s or from the future: send it anew, and check the clocks", s.Name, s.Window())
	}
	return nil
}

// Window is how old a signed event may be.
func (s Source) Window() time.Duration {
	switch {
	case s.Proof.Window > 0:
		return s.Proof.Window
	case s.Form == PagerDuty:
		return windowLong
	}
	return windowShort
}

// Signs reports whether the source's own signature binds the time that the event says.
func (s Source) Signs() bool { return len(s.Proof.Secrets) > 0 && s.Form == PagerDuty }

// Keep is until when an event of one id is the same event: as long as its signature could be shown again.
func (s Source) Keep(now time.Time) time.Time { return now.Add(s.Window() + 2*skew) }

// signed compares each signature with that under each secret, in constant time.
func (s Source) signed(given [][]byte, parts ...[]byte) bool {
	return anyOf(s.Proof.Secrets, func(secret []byte) bool {
		mac := hmac.New(sha256.New, secret)
		for _, p := range parts {
			mac.Write(p)
		}
		want := mac.Sum(nil)
		return anyOf(given, func(got []byte) bool { return hmac.Equal(got, want) })
	})
}

// anyOf asks all of them, so that the time taken does not tell which one held.
func anyOf(all [][]byte, holds func([]byte) bool) (out bool) {
	for _, x := range all {
		out = holds(x) || out
	}
	return out
}

func same(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func unproven(format string, args ...any) error {
	return &writ.Refusal{Code: writ.ReasonUnauthenticated, Kind: writ.ErrUnknownUser, Detail: fmt.Sprintf(format, args...)}
}

// SecretBytes reads a secret: whsec_ and base64, as Standard Webhooks writes it, or any other text as its own bytes.
func SecretBytes(text string) ([]byte, error) {
	b := []byte(text)
	if rest, ok := strings.CutPrefix(text, "whsec_"); ok {
		var err error
		if b, err = base64.StdEncoding.DecodeString(rest); err != nil || len(b) < 24 {
			return nil, fmt.Errorf("%w: after whsec_ a secret is base64 of at least 24 bytes", writ.ErrInvalid)
		}
		return b, nil
	}
	if len(b) < MinSecret {
		return nil, fmt.Errorf("%w: a secret has at least %d bytes: openssl rand -hex 32 makes one", writ.ErrInvalid, MinSecret)
	}
	return b, nil
}
