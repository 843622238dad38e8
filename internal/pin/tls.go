package pin

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"time"
)

// ErrPeer is returned to the party whose peer's key is not pinned.
var ErrPeer = errors.New("the peer's key is not pinned")

// ServerTLS returns the configuration of a server that speaks only with the keys in allowed, a map from fingerprint to
// the name of its holder. A handler takes the name from Peer. The map is copied.
func ServerTLS(key ed25519.PrivateKey, allowed map[string]string) (*tls.Config, error) {
	if len(allowed) == 0 {
		return nil, errors.New("pinned TLS: nobody is allowed")
	}
	for f, name := range allowed {
		if !IsFingerprint(f) || name == "" {
			return nil, fmt.Errorf("pinned TLS: %q is not a fingerprint with a name", f)
		}
	}
	c, err := config(key)
	if err != nil {
		return nil, err
	}
	pinned := maps.Clone(allowed)
	c.ClientAuth = tls.RequireAnyClientCert // the pin below decides, on every connection
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if _, ok := Peer(s, pinned); !ok {
			return ErrPeer
		}
		return nil
	}
	return c, nil
}

// ClientTLS returns the configuration of a client that speaks only with the server of that fingerprint, or of one of more,
// under whatever host name it is reached.
func ClientTLS(key ed25519.PrivateKey, server string, more ...string) (*tls.Config, error) {
	servers := map[string]string{}
	for _, s := range append([]string{server}, more...) {
		if !IsFingerprint(s) {
			return nil, fmt.Errorf("pinned TLS: %q is not a fingerprint", s)
		}
		servers[s] = "server"
	}
	c, err := config(key)
	if err != nil {
		return nil, err
	}
	c.InsecureSkipVerify = true // no authority vouches for the server: VerifyConnection compares its key instead
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if _, ok := Peer(s, servers); !ok {
			return ErrPeer
		}
		return nil
	}
	return c, nil
}

// Peer returns the name of the peer of a connection, by the fingerprint of the key that it has proved to hold. Call it
// for every request, with the pins of that moment: a connection outlives a change of pins.
func Peer(s tls.ConnectionState, allowed map[string]string) (string, bool) {
	pub, ok := PeerKey(s)
	if !ok {
		return "", false
	}
	got := Fingerprint(pub)
	for f, name := range allowed {
		if got != "" && name != "" && subtle.ConstantTimeCompare([]byte(f), []byte(got)) == 1 {
			return name, true
		}
	}
	return "", false
}

// PeerKey returns the Ed25519 key that the peer of a connection has proved to hold, whoever it is.
func PeerKey(s tls.ConnectionState) (ed25519.PublicKey, bool) {
	if s.Version != tls.VersionTLS13 || s.DidResume || len(s.PeerCertificates) != 1 {
		return nil, false
	}
	pub, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	return pub, ok
}

// DoorTLS is ServerTLS for peers that are not known beforehand: admit is asked on every connection, once the peer has proved
// to hold its key, and decides alone. A handler asks again for every request.
func DoorTLS(key ed25519.PrivateKey, admit func(tls.ConnectionState) bool) (*tls.Config, error) {
	c, err := config(key)
	if err != nil {
		return nil, err
	}
	c.ClientAuth = tls.RequireAnyClientCert
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if s.Version != tls.VersionTLS13 || s.DidResume || !admit(s) {
			return ErrPeer
		}
		return nil
	}
	return c, nil
}

func config(key ed25519.PrivateKey) (*tls.Config, error) {
	cert, err := certificate(key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates:           []tls.Certificate{cert},
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true, // each connection proves the key anew
	}, nil
}

// certificate wraps the key. The dates say "no well-defined expiration" (RFC 5280 section 4.1.2.5): pins end when
// somebody removes them, not on a date.
func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	if len(key) != ed25519.PrivateKeySize {
		return tls.Certificate{}, errors.New("pinned TLS: not an Ed25519 private key")
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "writ"},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key) // an Ed25519 signature uses no randomness
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("pinned TLS: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
