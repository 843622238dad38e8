package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server"
)

// issued is a certificate for name, signed by an authority or, without one, by itself.
func issued(t *testing.T, name string, by *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	parent, signer := c, any(key)
	if by != nil {
		if parent, err = x509.ParseCertificate(by.Certificate[0]); err != nil {
			t.Fatal(err)
		}
		signer = by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTheIntakeListenerTakesOnlyCertificatesOfItsAuthority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := issued(t, "authority", nil)
	key, err := x509.MarshalPKCS8PrivateKey(authority.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	ca := file("ca.pem", "CERTIFICATE", authority.Certificate[0])
	mutual, err := server.MutualTLS(config.Server{TLS: &config.TLSFiles{Cert: ca, Key: file("key.pem", "PRIVATE KEY", key)}, Intake: &config.Intake{ClientCA: ca}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.VerifiedChains) == 0 {
			t.Error("not verified")
		}
	}))
	s.TLS = mutual
	s.StartTLS()
	defer s.Close()
	get := func(certs ...tls.Certificate) error {
		// The server's own certificate is not what this is about.
		c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certs}}}
		resp, err := c.Get(s.URL)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(issued(t, "alerts.corp.example", &authority)); err != nil {
		t.Errorf("a certificate of the authority: %v", err)
	}
	stranger := issued(t, "authority", nil)
	if get(issued(t, "alerts.corp.example", &stranger)) == nil {
		t.Error("a certificate of another authority of the same name was taken")
	}
	if get() == nil {
		t.Error("a client without a certificate was taken")
	}
}
