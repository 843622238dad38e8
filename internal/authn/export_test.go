package authn

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// Explain is Principal, and returns the code that the log gets, too.
func (a *Authenticator) Explain(ctx context.Context, r *http.Request) (writ.Principal, Code, error) {
	p, why := a.principal(ctx, r)
	p, err := a.answer(ctx, r, p, why)
	return p, CodeOf(why), err
}

// Explain is Principal, and returns the code that the log gets, too.
func (p *Peers) Explain(ctx context.Context, r *http.Request) (writ.Principal, Code, error) {
	who, why := p.principal(ctx, r)
	who, err := p.a.answer(ctx, r, who, why)
	return who, CodeOf(why), err
}

// ExplainAsserted is Asserted, and returns the code that the log gets, too.
func (a *Authenticator) ExplainAsserted(ctx context.Context, r *http.Request, raw string, svid bool) (Holder, Code, error) {
	h, why := a.asserted(ctx, r, raw, svid)
	h, err := a.said(ctx, r, h, why)
	return h, CodeOf(why), err
}

// ExplainSubject is Subject, and returns the code that the log gets, too.
func (a *Authenticator) ExplainSubject(ctx context.Context, r *http.Request, raw string) (Holder, Code, error) {
	h, why := a.subject(ctx, r, raw, nil)
	h, err := a.said(ctx, r, h, why)
	return h, CodeOf(why), err
}
