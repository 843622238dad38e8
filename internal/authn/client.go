package authn

import (
	"context"
	"fmt"
	"net/http"

	"github.com/writ-dev/writ"
)

// errProof is the one answer to every proof that is not good, at the token endpoint: the proof is the caller's own
// making, and is looked at before the credential.
var errProof = fmt.Errorf("%w: exactly one fresh DPoP proof for this request is needed", writ.ErrInvalid)

// said is answer for the token endpoint's errors.
func (a *Authenticator) said(ctx context.Context, r *http.Request, h Holder, err error) (Holder, error) {
	if _, err := a.answer(ctx, r, h.Principal, err); err == nil {
		return h, nil
	}
	switch CodeOf(err) {
	case CodeProofMissing, CodeProof, CodeProofReplayed:
		return Holder{}, errProof
	case CodeProofNonce:
		return Holder{}, &NonceError{nonceOf(err)}
	}
	return Holder{}, errNobody
}

// Asserted returns which agent a platform's credential stands for, and the thumbprint of the key whose proof came with
// r, which asks for a token. svid says whether the credential must be a JWT-SVID, or must be none.
//
// A credential is good for one exchange. One that a platform keeps in a file or a cache until it renews it (a JWT-SVID,
// a projected token of Kubernetes) is good for further ones by the same key. Errors are writ.ErrInvalid about the proof, a
// NonceError among them, and writ.ErrUnknownUser about everything else.
func (a *Authenticator) Asserted(ctx context.Context, r *http.Request, raw string, svid bool) (Holder, error) {
	h, err := a.asserted(ctx, r, raw, svid)
	return a.said(ctx, r, h, err)
}

func (a *Authenticator) asserted(ctx context.Context, r *http.Request, raw string, svid bool) (Holder, error) {
	p, err := a.readProof(ctx, r, "")
	switch {
	case err != nil:
		return Holder{}, err
	case len(raw) > MaxToken:
		return Holder{}, refuse(CodeTokenSize)
	}
	v, err := a.vouch(ctx, raw)
	switch {
	case err != nil:
		return Holder{}, err
	case v.svid != svid:
		return Holder{}, from(v.principal.Iss, refuse(CodeTokenForm))
	case v.principal.Kind != writ.KindAgent:
		return Holder{}, from(v.principal.Iss, refuse(CodeKind))
	}
	h := Holder{Principal: v.principal, Thumbprint: p.key}
	if err := a.firstUse(ctx, p); err != nil {
		return Holder{}, from(v.principal.Iss, err)
	}
	switch {
	case v.id == "" || v.several:
		return h, nil
	case v.replay == ReplayProof:
		return h, from(v.principal.Iss, a.remembered(ctx, "token "+v.id, p.key, v.expires, CodeHolder))
	}
	return h, from(v.principal.Iss, a.usedOnce(ctx, v))
}

// Subject returns whose control-plane token raw is, and the thumbprint of the key whose proof, with the hash of raw,
// came with r. Errors are as those of Asserted.
func (a *Authenticator) Subject(ctx context.Context, r *http.Request, raw string) (Holder, error) {
	h, err := a.subject(ctx, r, raw, nil)
	return a.said(ctx, r, h, err)
}

func (a *Authenticator) subject(ctx context.Context, r *http.Request, raw string, other *peer) (Holder, error) {
	c, err := a.access(raw)
	if err != nil {
		return Holder{}, err
	}
	return a.confirmed(ctx, r, raw, c, other, true)
}

// Certified is for the agents' listener: no client certificates come here.
func (a *Authenticator) Certified(ctx context.Context, r *http.Request) (Holder, string, error) {
	h, err := a.said(ctx, r, Holder{}, refuse(CodeCertificate))
	return h, "", err
}

// Asserted refuses: at this listener an agent is its certificate.
func (p *Peers) Asserted(ctx context.Context, r *http.Request, _ string, _ bool) (Holder, error) {
	return p.a.said(ctx, r, Holder{}, refuse(CodeTokenForm))
}

// Certified returns which agent's certificate r came with, the certificate's thumbprint, and that of the key whose proof
// came with r, if one did. Errors are as those of Authenticator.Asserted.
func (p *Peers) Certified(ctx context.Context, r *http.Request) (Holder, string, error) {
	other, err := p.peer(r)
	h := Holder{Principal: other.principal}
	if err == nil && len(r.Header.Values(proofHeader)) > 0 {
		h.Thumbprint, err = p.a.proved(ctx, r, "")
	}
	h, err = p.a.said(ctx, r, h, err)
	return h, other.thumbprint, err
}

// Subject is Authenticator.Subject for an agent with a certificate, whose token it must be.
func (p *Peers) Subject(ctx context.Context, r *http.Request, raw string) (Holder, error) {
	other, err := p.peer(r)
	var h Holder
	if err == nil {
		h, err = p.a.subject(ctx, r, raw, &other)
	}
	return p.a.said(ctx, r, h, err)
}
