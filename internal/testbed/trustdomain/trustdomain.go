// Package trustdomain is the tests' stand-in for SPIRE: a SPIFFE trust domain with its own authorities, which serves the
// real SPIFFE Workload API over a unix socket, with the server stubs that go-spiffe ships. Real go-spiffe clients talk
// to it: SVIDs, rotation, bundle changes and federation are what they would see of a SPIRE agent.
//
// What is not real is the issuer and attestation: each socket belongs to one identity, whoever connects. Nothing here
// shows that a released SPIRE works with Writ; docs/identity.md says how that is checked.
package trustdomain

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// authorityLife is that of authorities: longer than any test.
const authorityLife = 24 * time.Hour

// A Domain is one trust domain. Its methods may be called concurrently.
type Domain struct {
	Name string // such as corp.example

	mu        sync.Mutex // guards what follows
	serial    int64
	signs     *authority   // the newest: it signs SVIDs
	trusted   []*authority // what the bundle holds
	federated map[string]*Domain
	changed   chan struct{} // closed, and replaced, at every change of the bundles
}

// An authority is an X.509 certificate authority with a key for JWT-SVIDs.
type authority struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	jwt   *ecdsa.PrivateKey
	jwtID string
}

// New makes a trust domain with fresh authorities.
func New(t testing.TB, name string) *Domain {
	t.Helper()
	d := &Domain{Name: name, federated: map[string]*Domain{}, changed: make(chan struct{})}
	a, err := d.newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	d.signs, d.trusted = a, []*authority{a}
	return d
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func (d *Domain) newAuthority() (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	jwt, err := newKey()
	if err != nil {
		return nil, err
	}
	d.serial++
	form := &x509.Certificate{
		SerialNumber: big.NewInt(d.serial), Subject: pkix.Name{CommonName: fmt.Sprintf("%s %d", d.Name, d.serial)},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs: []*url.URL{{Scheme: "spiffe", Host: d.Name}},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key, jwt, fmt.Sprintf("jwt-%d", d.serial)}, err
}

// announce lets every open stream send what is true now. The caller holds mu.
func (d *Domain) announce() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// Rotate adds new authorities to the bundle and signs with them from now on.
func (d *Domain) Rotate(t testing.TB) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	d.signs, d.trusted = a, append(d.trusted, a)
	d.announce()
}

// Distrust takes all authorities but the newest out of the bundle, as after a compromise.
func (d *Domain) Distrust() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trusted = []*authority{d.signs}
	d.announce()
}

// Federate gives d's workloads the bundle of another trust domain, as it is at each time.
func (d *Domain) Federate(other *Domain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.federated[other.Name] = other
	d.announce()
}

// Defederate takes it away again.
func (d *Domain) Defederate(other *Domain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.federated, other.Name)
	d.announce()
}

// bundles returns the domain and those it federates with, and what is closed when that changes.
func (d *Domain) bundles() (map[string]*Domain, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := maps.Clone(d.federated)
	all[d.Name] = d
	return all, d.changed
}

func (d *Domain) x509Bundle() (der []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.trusted {
		der = append(der, a.cert.Raw...)
	}
	return der
}

func (d *Domain) jwtBundle() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, a := range d.trusted {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: crypto.PublicKey(a.jwt.Public()), KeyID: a.jwtID, Use: "jwt-svid"})
	}
	return json.Marshal(set)
}

// Bundle returns the bundle in the SPIFFE format, as spire-server bundle show -format spiffe prints it.
func (d *Domain) Bundle(t testing.TB) []byte {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	b := spiffebundle.New(spiffeid.RequireTrustDomainFromString(d.Name))
	for _, a := range d.trusted {
		b.AddX509Authority(a.cert)
		if err := b.AddJWTAuthority(a.jwtID, a.jwt.Public()); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An SVID is an X.509-SVID with its key.
type SVID struct {
	ID   string
	Cert []byte // DER
	Key  *ecdsa.PrivateKey
}

// SVID issues an X.509-SVID for path below the trust domain, good for life from now on; life may be negative.
func (d *Domain) SVID(path string, life time.Duration) (SVID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key, err := newKey()
	if err != nil {
		return SVID{}, err
	}
	d.serial++
	now := time.Now()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(d.serial), NotBefore: now.Add(min(0, life)).Add(-time.Minute), NotAfter: now.Add(life),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: d.Name, Path: path}},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, d.signs.cert, key.Public(), d.signs.key)
	return SVID{"spiffe://" + d.Name + path, der, key}, err
}

// JWTSVID signs a JWT-SVID for path with these audiences. Changes replace claims; nil ones take them out.
func (d *Domain) JWTSVID(path string, audience []string, life time.Duration, changes map[string]any) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: d.signs.jwt, KeyID: d.signs.jwtID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims := map[string]any{"sub": "spiffe://" + d.Name + path, "aud": audience, "iat": now.Add(min(0, life)).Unix(), "exp": now.Add(life).Unix()}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
