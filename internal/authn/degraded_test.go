package authn_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// Keys that were fetched serve until the issuer is back, however long that takes: agents and people go on while their
// tokens last. Each token ends by its own time, so without an issuer that gives new ones all do.
func TestD14WithoutTheIssuerFetchedKeysServeAndTokensStillEnd(t *testing.T) {
	for _, kind := range []writ.Kind{writ.KindAgent, writ.KindHuman, writ.KindService} {
		s, c := newServer(t), newClock()
		a := authenticator(t, c, s.issuer(kind))
		if _, err := who(t, a, "Bearer "+s.sign("first", s.claims(c.Now(), nil), nil)); err != nil {
			t.Fatal(err)
		}
		s.down.Store(true)
		c.advance(7 * 24 * time.Hour)
		token := "Bearer " + s.sign("first", s.claims(c.Now(), nil), nil) // as if given out just before
		if _, err := who(t, a, token); err != nil {
			t.Errorf("%s, by a fetched key: %v", kind, err)
		}
		c.advance(time.Hour)
		p, err := who(t, a, token)
		wantNobody(t, string(kind)+" whose token has ended", p, err)
	}
}

// Keys are not kept across a restart: whoever comes to a process that could never ask the issuer is nobody.
func TestD14AProcessStartedWithoutTheIssuerKnowsNobody(t *testing.T) {
	for _, kind := range []writ.Kind{writ.KindAgent, writ.KindHuman, writ.KindService} {
		s, c := newServer(t), newClock()
		token := "Bearer " + s.sign("first", s.claims(c.Now(), nil), nil)
		if _, err := who(t, authenticator(t, c, s.issuer(kind)), token); err != nil {
			t.Fatal(err)
		}
		s.down.Store(true)
		p, err := who(t, authenticator(t, c, s.issuer(kind)), token)
		wantNobody(t, string(kind), p, err)
	}
}
