package server

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/token"
)

// people keep who is logged in, and their teams.
type people interface {
	authn.Sessions
	authn.People
}

// a memory keeps which credentials were used, and which tokens were revoked.
type memory interface {
	authn.Memory
	authn.Revocations
}

// newAuth makes what finds out who calls from the configuration.
func newAuth(c config.Server, memory memory, people people, access *token.Access, dev bool, log *slog.Logger) (*authn.Authenticator, error) {
	a := authn.Config{
		Dev: dev, ExternalURL: c.ExternalURL, Memory: memory, Sessions: people, People: people, Tokens: access, Revoked: memory,
		Required: c.Tokens != nil && c.Tokens.Required, Now: fault.Clock(), Log: log,
	}
	if c.Tokens != nil {
		a.Nonces = authn.NonceMode(c.Tokens.Nonce)
	}
	for _, i := range c.Issuers {
		a.Issuers = append(a.Issuers, newIssuer(c, i))
	}
	if s := c.SPIFFE; s != nil {
		a.SPIFFE = &authn.SPIFFE{WorkloadAPI: s.WorkloadAPI, Agents: s.Agents, Audience: s.Audience, SharedTokens: s.SharedTokens}
		if s.SVID != nil {
			a.SPIFFE.Cert, a.SPIFFE.Key = c.Path(s.SVID.Cert), c.Path(s.SVID.Key)
		}
		for _, b := range s.Bundles {
			a.SPIFFE.Bundles = append(a.SPIFFE.Bundles, authn.BundleFile{TrustDomain: b.TrustDomain, File: c.Path(b.File)})
		}
	}
	for _, k := range c.DevKeys {
		d, err := writ.ParseDigest(k.Hash)
		if err != nil {
			return nil, fmt.Errorf("dev_keys: %w", err)
		}
		a.Keys = append(a.Keys, authn.DevKey{Hash: d, Kind: writ.Kind(k.Kind), Sub: k.Sub})
	}
	return authn.New(a)
}

func newIssuer(c config.Server, i config.Issuer) authn.Issuer {
	out := authn.Issuer{
		URL: i.URL, Audience: i.Audience, Kind: writ.Kind(i.Kind), Algorithms: i.Algorithms, CAFile: c.Path(i.CA),
		KeysFile: c.Path(i.KeysFile), Form: authn.Form(i.Form), Replay: authn.Replay(i.Replay),
	}
	for _, w := range i.Workloads {
		out.Workloads = append(out.Workloads, authn.Workload{Sub: w.Sub, Match: w.Match})
	}
	if g := i.Groups; g != nil {
		out.Groups = &authn.Groups{Claim: g.Claim, Teams: g.Teams}
	}
	if r := i.TokenReview; r != nil {
		out.Review = &authn.Review{URL: r.URL, CAFile: c.Path(r.CA), TokenFile: c.Path(r.TokenFile)}
	}
	return out
}

// loginHandler makes the handler of people's login, or nil if none is configured.
func loginHandler(c config.Server, auth *authn.Authenticator) (http.Handler, error) {
	if c.Login == nil {
		return nil, nil
	}
	l := authn.Login{Issuer: c.Login.Issuer, Client: c.Login.Client, Scopes: c.Login.Scopes}
	if c.Login.SecretFile != "" {
		var err error
		if l.Secret, err = config.ReadSecret(c.Dir, c.Login.SecretFile, pin.ReadFile); err != nil {
			return nil, fmt.Errorf("login.secret_file: %w", err)
		}
	}
	return auth.LoginHandler(l)
}
