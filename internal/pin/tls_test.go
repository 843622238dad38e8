package pin_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/pin"
)

// shake connects a client to a server over loopback, sends one byte each way and returns the states of both sides.
func shake(t *testing.T, server, client *tls.Config) (seen, saw tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			serverErr = err
			return
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(10 * time.Second))
		c := tls.Server(raw, server)
		if serverErr = c.Handshake(); serverErr != nil {
			return
		}
		seen = c.ConnectionState()
		_, serverErr = c.Write([]byte("x"))
		io.Copy(io.Discard, c)
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(raw, client)
	clientErr = c.Handshake()
	if clientErr == nil {
		_, clientErr = c.Read(make([]byte, 1)) // a TLS 1.3 client learns of a refusal here
		saw = c.ConnectionState()
	}
	c.Close()
	raw.Close()
	<-done
	return seen, saw, serverErr, clientErr
}

type pair struct {
	server, client ed25519.PrivateKey
	allowed        map[string]string
}

func newPair(t *testing.T) pair {
	p := pair{server: newKey(t), client: newKey(t)}
	p.allowed = map[string]string{pin.Fingerprint(public(p.client)): "runner prod-eu1"}
	return p
}

func serverConfig(t *testing.T, key ed25519.PrivateKey, allowed map[string]string) *tls.Config {
	t.Helper()
	c, err := pin.ServerTLS(key, allowed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientConfig(t *testing.T, key ed25519.PrivateKey, server ed25519.PublicKey) *tls.Config {
	t.Helper()
	c, err := pin.ClientTLS(key, pin.Fingerprint(server))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPinnedPartiesSpeakAndTheServerKnowsThePeerByName(t *testing.T) {
	p := newPair(t)
	seen, _, serverErr, clientErr := shake(t, serverConfig(t, p.server, p.allowed), clientConfig(t, p.client, public(p.server)))
	if serverErr != nil || clientErr != nil {
		t.Fatal(serverErr, clientErr)
	}
	if name, ok := pin.Peer(seen, p.allowed); !ok || name != "runner prod-eu1" {
		t.Errorf("peer %q %v", name, ok)
	}
	if seen.Version != tls.VersionTLS13 {
		t.Errorf("version %x", seen.Version)
	}
}

func TestAnUnpinnedClientIsRefused(t *testing.T) {
	p := newPair(t)
	_, _, serverErr, clientErr := shake(t, serverConfig(t, p.server, p.allowed), clientConfig(t, newKey(t), public(p.server)))
	if !errors.Is(serverErr, pin.ErrPeer) || clientErr == nil {
		t.Errorf("server %v, client %v", serverErr, clientErr)
	}
}

func TestAClientWithoutAKeyIsRefused(t *testing.T) {
	p := newPair(t)
	c := clientConfig(t, p.client, public(p.server))
	c.Certificates = nil
	if _, _, serverErr, clientErr := shake(t, serverConfig(t, p.server, p.allowed), c); serverErr == nil || clientErr == nil {
		t.Errorf("server %v, client %v", serverErr, clientErr)
	}
}

func TestAnotherServerIsRefused(t *testing.T) {
	p := newPair(t)
	_, _, _, clientErr := shake(t, serverConfig(t, newKey(t), p.allowed), clientConfig(t, p.client, public(p.server)))
	if !errors.Is(clientErr, pin.ErrPeer) {
		t.Errorf("want ErrPeer, got %v", clientErr)
	}
}

func TestTLS12IsRefused(t *testing.T) {
	p := newPair(t)
	c := clientConfig(t, p.client, public(p.server))
	c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, _, serverErr, clientErr := shake(t, serverConfig(t, p.server, p.allowed), c); serverErr == nil || clientErr == nil {
		t.Errorf("server %v, client %v", serverErr, clientErr)
	}
}

func TestAKeyOfAnotherKindIsRefused(t *testing.T) {
	p := newPair(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c := clientConfig(t, p.client, public(p.server))
	c.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	if _, _, serverErr, _ := shake(t, serverConfig(t, p.server, p.allowed), c); !errors.Is(serverErr, pin.ErrPeer) {
		t.Errorf("want ErrPeer, got %v", serverErr)
	}
}

// A certificate that carries a pinned key without the private key behind it proves nothing.
func TestSomebodyElsesCertificateIsRefused(t *testing.T) {
	p := newPair(t)
	stolen := clientConfig(t, p.client, public(p.server)).Certificates[0].Certificate
	c := clientConfig(t, newKey(t), public(p.server))
	c.Certificates[0].Certificate = stolen
	if _, _, serverErr, clientErr := shake(t, serverConfig(t, p.server, p.allowed), c); serverErr == nil || clientErr == nil {
		t.Errorf("server %v, client %v", serverErr, clientErr)
	}
}

// With session tickets, a peer that was unpinned since could come back on a resumed session.
func TestAPeerThatWasUnpinnedIsRefusedOnTheNextConnectionToo(t *testing.T) {
	p := newPair(t)
	client := clientConfig(t, p.client, public(p.server))
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	client.ServerName = "control"
	server := serverConfig(t, p.server, p.allowed)
	for range 2 {
		seen, _, serverErr, clientErr := shake(t, server, client)
		if serverErr != nil || clientErr != nil {
			t.Fatal(serverErr, clientErr)
		}
		if seen.DidResume {
			t.Error("the connection was resumed")
		}
	}
	unpinned := serverConfig(t, p.server, map[string]string{pin.Fingerprint(public(newKey(t))): "somebody else"})
	if _, _, serverErr, _ := shake(t, unpinned, client); !errors.Is(serverErr, pin.ErrPeer) {
		t.Errorf("want ErrPeer, got %v", serverErr)
	}
}

// A kept-alive connection is authorised again by each request.
func TestAnOpenConnectionLosesItsNameWithItsPin(t *testing.T) {
	p := newPair(t)
	seen, _, serverErr, clientErr := shake(t, serverConfig(t, p.server, p.allowed), clientConfig(t, p.client, public(p.server)))
	if serverErr != nil || clientErr != nil {
		t.Fatal(serverErr, clientErr)
	}
	if name, ok := pin.Peer(seen, map[string]string{pin.Fingerprint(public(newKey(t))): "somebody else"}); ok {
		t.Errorf("still known as %q", name)
	}
	for name, change := range map[string]func(*tls.ConnectionState){
		"TLS 1.2":          func(s *tls.ConnectionState) { s.Version = tls.VersionTLS12 },
		"no certificate":   func(s *tls.ConnectionState) { s.PeerCertificates = nil },
		"two certificates": func(s *tls.ConnectionState) { s.PeerCertificates = append(s.PeerCertificates, s.PeerCertificates[0]) },
	} {
		altered := seen
		change(&altered)
		if _, ok := pin.Peer(altered, p.allowed); ok {
			t.Errorf("%s has a name", name)
		}
	}
	seen.DidResume = true
	if _, ok := pin.Peer(seen, p.allowed); ok {
		t.Error("a resumed connection has a name")
	}
	if _, ok := pin.Peer(tls.ConnectionState{}, p.allowed); ok {
		t.Error("no connection has a name")
	}
}

func TestNobodyCanBePinnedByAccident(t *testing.T) {
	p := newPair(t)
	for name, allowed := range map[string]map[string]string{
		"nobody":         nil,
		"no fingerprint": {"": "runner"},
		"a wildcard":     {"*": "runner"},
		"no name":        {pin.Fingerprint(public(p.client)): ""},
	} {
		if _, err := pin.ServerTLS(p.server, allowed); err == nil {
			t.Errorf("%s: took it", name)
		}
	}
	if _, err := pin.ClientTLS(p.client, ""); err == nil {
		t.Error("a client without a pin")
	}
	if _, err := pin.ClientTLS(nil, pin.Fingerprint(public(p.server))); err == nil {
		t.Error("a client without a key")
	}
}
