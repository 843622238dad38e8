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
	who, why := p.peer(r)
	who, err := p.a.answer(ctx, r, who, why)
	return who, CodeOf(why), err
}
