package authn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/testbed/idp"
)

func TestARealProvidersIDTokenIsItsPerson(t *testing.T) {
	const redirect = "http://127.0.0.1:1/back"
	p := idp.New(t, redirect)
	i := authn.Issuer{URL: p.URL, Audience: idp.Client, Kind: writ.KindHuman, Algorithms: []string{"RS256"}}
	auth := func(i authn.Issuer) *authn.Authenticator {
		a, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, Dev: true, Now: time.Now}) // Dev allows plain HTTP on this machine
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	raw := p.IDToken(t, redirect)
	wantAgent(t, "the ID token", auth(i), request(raw), writ.Principal{Kind: writ.KindHuman, Iss: p.URL, Sub: idp.Person})
	other := i
	other.Audience = "another-client"
	wantCode(t, "for another client", auth(other), request(raw), authn.CodeAudience)
	pinned := i
	pinned.Algorithms = []string{"ES256"}
	wantCode(t, "an algorithm that is not pinned", auth(pinned), request(raw), authn.CodeAlgorithm)
}

// go-oidc alone takes a token whose list of audiences holds ours.
func TestPitfall03ATokenForTwoAudiencesIsRefused(t *testing.T) {
	s, c := newServer(t), newClock()
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	for _, list := range [][]string{{audience, "https://other.example"}, {"https://other.example", audience}, {audience, audience}, {}} {
		raw := s.sign("first", s.claims(c.Now(), map[string]any{"aud": list}), nil)
		wantCode(t, strings.Join(list, ","), a, request(raw), authn.CodeAudience)
	}
}
