package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"github.com/writ-dev/writ/internal/authn"
)

// certAnswer is how long a call with a client certificate may take to begin its answer: the longest wait of the server, and as much
// again.
const certAnswer = 45 * time.Second

// certified makes a client whose connections show the certificate in these files, an X.509-SVID, read anew for each: something
// else renews it, and the server takes no connection for longer than its certificate is good. So no connection is kept. With
// serverID the server shows an SVID too, of exactly this SPIFFE ID; roots vouch for it (X.509-SVID, section 5).
func certified(cert, key, serverID string, roots *x509.CertPool, authorities []*x509.Certificate) (*http.Client, error) {
	source := authn.SVIDFiles(cert, key)
	if _, err := source(nil); err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
	if serverID != "" {
		id, err := spiffeid.FromString(serverID)
		if err != nil {
			return nil, &usageError{"writ mcp: --server-id is no SPIFFE ID", "--server-id spiffe://corp.example/writ"}
		}
		if len(authorities) == 0 {
			return nil, &usageError{"writ mcp: --server-id needs --ca, with the authorities of the trust domain", "--ca bundle.pem --server-id " + id.String()}
		}
		tlsconfig.HookTLSClientConfig(c, x509bundle.FromX509Authorities(id.TrustDomain(), authorities), tlsconfig.AuthorizeID(id))
	}
	c.GetClientCertificate = source
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true, ResponseHeaderTimeout: certAnswer, TLSHandshakeTimeout: 10 * time.Second}}, nil
}

// vouchers parses certificates in PEM.
func vouchers(pem []byte) (*x509.CertPool, []*x509.Certificate, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("ca: the file holds no certificate in PEM")
	}
	b, err := x509bundle.Parse(spiffeid.TrustDomain{}, pem)
	if err != nil {
		return nil, nil, fmt.Errorf("ca: the file holds something that is no certificate")
	}
	return roots, b.X509Authorities(), nil
}
