package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/testbed/trustdomain"
)

// Whoever starts the bridge names the server's SPIFFE ID: another server of the same trust domain, or one that another domain vouches
// for, does not get a byte, however good its certificate is.
func TestI12TheBridgeKnowsTheServerByItsSPIFFEID(t *testing.T) {
	t.Parallel()
	domain, other := trustdomain.New(t, "corp.example"), trustdomain.New(t, "elsewhere.example")
	dir := t.TempDir()
	keep := func(name string, b []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	svid := func(d *trustdomain.Domain, name, path string) (cert, key string, pair tls.Certificate) {
		s, err := d.SVID(path, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(s.Key)
		if err != nil {
			t.Fatal(err)
		}
		return keep(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Cert})), keep(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
			tls.Certificate{Certificate: [][]byte{s.Cert}, PrivateKey: s.Key}
	}
	_, _, server := svid(domain, "server", "/writ")
	cert, key, _ := svid(domain, "agent", "/agents/repair")
	calls := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		calls++
		if len(r.TLS.PeerCertificates) != 1 || r.TLS.PeerCertificates[0].URIs[0].String() != "spiffe://corp.example/agents/repair" {
			t.Errorf("it shows %v", r.TLS.PeerCertificates)
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	s.StartTLS()
	defer s.Close()
	for name, c := range map[string]struct {
		id   string
		from *trustdomain.Domain
		good bool
	}{
		"the server's own":     {"spiffe://corp.example/writ", domain, true},
		"another's":            {"spiffe://corp.example/other", domain, false},
		"one that begins so":   {"spiffe://corp.example/writ/more", domain, false},
		"of another authority": {"spiffe://corp.example/writ", other, false},
		"none, and no name":    {"", domain, false},
	} {
		roots, all, err := vouchers(c.from.Authorities(t))
		if err != nil {
			t.Fatal(err)
		}
		client, err := certified(cert, key, c.id, roots, all)
		if err != nil {
			t.Fatal(err)
		}
		before := calls
		resp, err := client.Get(s.URL)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != c.good || (calls > before) != c.good {
			t.Errorf("%s: %v, %d calls", name, err, calls-before)
		}
	}
	if _, err := certified(cert, keep("no.key", []byte("x")), "", nil, nil); err == nil {
		t.Error("a key that is none is taken")
	}
	if _, err := certified(cert, key, "https://corp.example", nil, nil); err == nil {
		t.Error("an ID that is none is taken")
	}
	if _, err := certified(cert, key, "spiffe://corp.example/writ", nil, nil); err == nil {
		t.Error("an ID that nobody vouches for is taken")
	}
	if _, _, err := vouchers([]byte("no PEM")); err == nil {
		t.Error("certificates that are none are taken")
	}
}
