// Package softkey is an authenticator and the browser in front of it, in software and for tests: what a passkey on a
// phone or a security key would answer, and what a broken or hostile one would. It is no authenticator to approve with.
package softkey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// Flags of authenticator data (Web Authentication Level 3, section 6.1).
const (
	Present  = 0x01
	Verified = 0x04
	Eligible = 0x08
	BackedUp = 0x10
	attested = 0x40
)

// A Key is one passkey on one authenticator. A test may change any member between two uses.
type Key struct {
	ID      []byte
	COSE    []byte
	AAGUID  [16]byte
	Flags   byte   // of what it signs; Present and Verified at first
	Counter uint32 // of the next signature, which counts on if it is not 0
	RP      string
	Origin  string
	Extra   string // further members of clientDataJSON, with a comma before them
	Maker   *Maker // attests new passkeys; nil for none

	private crypto.Signer
}

// New makes a passkey of a COSE algorithm: -7, -8 or -257.
func New(t testing.TB, algorithm int, origin, rp string) *Key {
	t.Helper()
	k := &Key{ID: random(32), Flags: Present | Verified, RP: rp, Origin: origin}
	var err error
	switch algorithm {
	case -8:
		var public ed25519.PublicKey
		public, k.private, err = ed25519.GenerateKey(rand.Reader)
		k.COSE = slices.Concat([]byte{0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20}, public)
	case -7:
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			var point []byte
			point, err = key.PublicKey.Bytes()
			k.private = key
			if err == nil {
				k.COSE = slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20}, point[1:33], []byte{0x22, 0x58, 0x20}, point[33:])
			}
		}
	case -257:
		var key *rsa.PrivateKey
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
			k.private = key
			k.COSE = slices.Concat([]byte{0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 1, 0}, key.N.FillBytes(make([]byte, 256)), []byte{0x21, 0x43, 1, 0, 1})
		}
	default:
		err = fmt.Errorf("no algorithm %d", algorithm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Credential is what an enrolment of the passkey keeps.
func (k *Key) Credential(level writ.ProofLevel, since time.Time) writ.Credential {
	return writ.Credential{
		ID: bytes.Clone(k.ID), Key: bytes.Clone(k.COSE), RP: k.RP, Origin: k.Origin, AAGUID: k.Model(), Level: level, Synced: k.Flags&Eligible != 0, Since: since,
	}
}

// Model is the AAGUID as people write it.
func (k *Key) Model() string {
	s := hex.EncodeToString(k.AAGUID[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// Get answers navigator.credentials.get for a challenge.
func (k *Key) Get(t testing.TB, challenge []byte) *writ.Assertion {
	t.Helper()
	auth, client := k.authenticatorData(k.Flags), k.ClientData("webauthn.get", challenge)
	return k.Sign(t, auth, client)
}

// Sign signs whatever bytes a test wants.
func (k *Key) Sign(t testing.TB, auth, client []byte) *writ.Assertion {
	t.Helper()
	hash := sha256.Sum256(client)
	return &writ.Assertion{Credential: bytes.Clone(k.ID), AuthenticatorData: auth, ClientData: client, Signature: sign(t, k.private, slices.Concat(auth, hash[:]))}
}

// Create answers navigator.credentials.create for a challenge.
func (k *Key) Create(t testing.TB, challenge []byte) writ.Registration {
	t.Helper()
	auth := slices.Concat(k.authenticatorData(k.Flags|attested), k.AAGUID[:], binary.BigEndian.AppendUint16(nil, uint16(len(k.ID))), k.ID, k.COSE)
	client := k.ClientData("webauthn.create", challenge)
	object := slices.Concat([]byte{0xa3}, text("fmt"), text("none"), text("attStmt"), []byte{0xa0}, text("authData"), data(auth))
	if k.Maker != nil {
		hash := sha256.Sum256(client)
		sig := sign(t, k.Maker.key, slices.Concat(auth, hash[:]))
		object = slices.Concat([]byte{0xa3}, text("fmt"), text("packed"), text("attStmt"), []byte{0xa3},
			text("alg"), []byte{0x26}, text("sig"), data(sig), text("x5c"), []byte{0x81}, data(k.Maker.leaf), text("authData"), data(auth))
	}
	return writ.Registration{Credential: k.ID, ClientData: client, Attestation: object}
}

// ClientData is what a browser writes at Origin (section 5.8.1.1).
func (k *Key) ClientData(kind string, challenge []byte) []byte {
	return fmt.Appendf(nil, `{"type":%q,"challenge":%q,"origin":%q,"crossOrigin":false%s}`, kind, base64.RawURLEncoding.EncodeToString(challenge), k.Origin, k.Extra)
}

func (k *Key) authenticatorData(flags byte) []byte {
	rp := sha256.Sum256([]byte(k.RP))
	b := binary.BigEndian.AppendUint32(append(rp[:], flags), k.Counter)
	if k.Counter != 0 {
		k.Counter++
	}
	return b
}

// A Maker makes authenticators of one model: its certificate stands in their attestations (section 8.2.1).
type Maker struct {
	Root *x509.Certificate
	leaf []byte
	key  crypto.Signer
}

// NewMaker makes the maker of a model. Its certificates are good from a year before at to
// twenty years after.
func NewMaker(t testing.TB, model [16]byte, at time.Time) *Maker {
	t.Helper()
	root, rootKey := certificate(t, at, nil, nil, nil)
	extension, err := asn1.Marshal(model[:])
	if err != nil {
		t.Fatal(err)
	}
	leaf, key := certificate(t, at, root, rootKey, []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: extension}})
	return &Maker{Root: root, leaf: leaf.Raw, key: key}
}

func certificate(t testing.TB, at time.Time, parent *x509.Certificate, by crypto.Signer, more []pkix.Extension) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(8)), NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(20, 0, 0), BasicConstraintsValid: true, IsCA: parent == nil,
		Subject:         pkix.Name{Country: []string{"SE"}, Organization: []string{"Softkey"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Softkey"},
		ExtraExtensions: more,
	}
	if parent == nil {
		c.KeyUsage, c.Subject.CommonName = x509.KeyUsageCertSign, "Softkey Root"
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func sign(t testing.TB, key crypto.Signer, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	digest, hash := sum[:], crypto.SHA256
	if _, ok := key.(ed25519.PrivateKey); ok {
		digest, hash = message, crypto.Hash(0)
	}
	sig, err := key.Sign(rand.Reader, digest, hash)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// text and data are CBOR strings (RFC 8949 section 3.1), the first of fewer than 24 bytes.
func text(s string) []byte { return append([]byte{0x60 | byte(len(s))}, s...) }

func data(b []byte) []byte {
	return slices.Concat([]byte{0x59}, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
