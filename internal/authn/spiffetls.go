package authn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// Peers finds out who speaks at the agents' own listener: the holder of an X.509-SVID over mutual TLS. A control-plane
// token may come with it and must then be the same agent's; no other token means anything there. It is safe for
// concurrent use.
type Peers struct{ a *Authenticator }

// Peers returns the authenticator of the agents' listener, or an error if SPIFFE is not configured.
func (a *Authenticator) Peers() (*Peers, error) {
	if a.spiffe == nil {
		return nil, fmt.Errorf("%w: an agents' listener needs SPIFFE", writ.ErrInvalid)
	}
	if f, ok := a.spiffe.trust.(*files); ok && f.cert == "" {
		return nil, fmt.Errorf("%w: an agents' listener needs an SVID: certificate and key", writ.ErrInvalid)
	}
	return &Peers{a}, nil
}

// TLS returns the configuration of the agents' listener: TLS 1.3, Writ's own newest SVID, and a client certificate that
// a current bundle vouches for and whose SPIFFE ID is configured.
func (p *Peers) TLS() *tls.Config {
	s := p.a.spiffe
	c := tlsconfig.MTLSServerConfig(s.trust, s.trust, func(id spiffeid.ID, _ [][]*x509.Certificate) error {
		_, err := s.agent(id)
		return err
	})
	c.MinVersion = tls.VersionTLS13
	// On a resumed connection crypto/tls does not call VerifyPeerCertificate, where go-spiffe does all its checks.
	c.SessionTicketsDisabled = true
	return c
}

// Principal returns whose SVID r came with, judged again by the bundles and the configuration of now: a connection may
// have been opened before a certificate ended or an authority was taken away. Every failure is the same
// writ.ErrUnknownUser.
func (p *Peers) Principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	who, err := p.principal(ctx, r)
	return p.a.answer(ctx, r, who, err)
}

func (p *Peers) principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	other, err := p.peer(r)
	if err != nil {
		return writ.Principal{}, err
	}
	scheme, raw, err := authorization(r)
	switch {
	case err != nil:
		return writ.Principal{}, err
	case p.a.isOwn(raw):
		h, err := p.a.holder(ctx, r, raw, scheme, &other)
		return h.Principal, err
	case len(r.Header.Values("Authorization")) > 0:
		return writ.Principal{}, refuse(CodeScheme)
	case p.a.required:
		return writ.Principal{}, refuse(CodeExchange)
	}
	return other.principal, nil
}

// A peer is the agent at the other end of a connection.
type peer struct {
	principal  writ.Principal
	thumbprint string // of its certificate
}

func (p *Peers) peer(r *http.Request) (peer, error) {
	s := p.a.spiffe
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || r.TLS.DidResume {
		return peer{}, refuse(CodeCertificate)
	}
	id, err := x509svid.IDFromCert(r.TLS.PeerCertificates[0])
	if err != nil {
		return peer{}, refuse(CodeCertificate)
	}
	if _, err := s.trust.GetX509BundleForTrustDomain(id.TrustDomain()); err != nil {
		return peer{}, refuseBecause(CodeBundle, err)
	}
	verified, _, err := x509svid.Verify(r.TLS.PeerCertificates, s.trust, x509svid.WithTime(p.a.now()))
	if err != nil {
		return peer{}, from(id.TrustDomain().IDString(), refuse(CodeCertificate))
	}
	who, err := s.agent(verified)
	return peer{who, token.CertificateThumbprint(r.TLS.PeerCertificates[0].Raw)}, err
}
