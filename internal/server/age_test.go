package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/server"
)

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, form, form, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

func serve(t *testing.T, age time.Duration, h http.HandlerFunc) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	address, done, err := server.Aged(ctx, h, &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, age)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-done })
	return address
}

// Writing goes on until the connection ends; that it does is the test.
func TestPitfall02AStreamEndsWithItsConnectionsAge(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		address := serve(t, time.Second, func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := io.WriteString(w, "more\n"); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				select {
				case <-time.After(10 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
		})
		c := &http.Client{Transport: transport(protocol)}
		resp, err := c.Get("https://" + address)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			lines++
		}
		resp.Body.Close()
		if lines == 0 {
			t.Errorf("%s: nothing came", protocol)
		}
	}
}

func transport(protocol string) *http.Transport {
	p := new(http.Protocols)
	p.SetHTTP1(protocol == "http/1.1")
	p.SetHTTP2(protocol == "h2")
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: p}
}

// A busy client changes to another connection before the old one breaks: it sees no error.
func TestPitfall02AKeptConnectionIsReplacedAtItsAge(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		address := serve(t, 2*time.Second, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
		c := &http.Client{Transport: transport(protocol)}
		first := ""
		for {
			reused := false
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
			req, err := http.NewRequestWithContext(ctx, "GET", "https://"+address, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			switch from := string(b); {
			case first == "":
				first = from
			case from != first:
				if reused {
					t.Errorf("%s: another connection that was open before", protocol)
				}
			}
			if string(b) != first {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		c.CloseIdleConnections()
	}
}
