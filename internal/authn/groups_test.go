package authn_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// A census keeps what it is told last, or fails.
type census struct {
	who writ.Principal
	of  writ.Membership
	err error
}

func (c *census) NoteTeams(_ context.Context, who writ.Principal, m writ.Membership) error {
	c.who, c.of = who, m
	return c.err
}

func grouped(t *testing.T, s *signedKeyServer, c *clock, people authn.People) *authn.Authenticator {
	t.Helper()
	i := s.issuer(writ.KindHuman)
	i.Groups = &authn.Groups{Claim: "groups", Teams: map[string]string{"sre-payments": "payments", "sre-eu": "payments", "platform": "platform"}}
	a, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, People: people, Dev: true, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestGroupsOfATokenBecomeTheTeamsThatTheConfigurationNames(t *testing.T) {
	s, c, told := newServer(t), newClock(), &census{}
	a := grouped(t, s, c, told)
	raw := s.sign("first", s.claims(c.Now(), map[string]any{"groups": []string{"sre-eu", "platform", "sre-payments", "everybody", "payments"}}), nil)
	who, err := a.Principal(t.Context(), request(raw))
	if err != nil || told.who != who || !slices.Equal(told.of.Teams, []string{"payments", "platform"}) || told.of.AsOf.IsZero() {
		t.Errorf("%v: %+v", err, told)
	}
	raw = s.sign("first", s.claims(c.Now(), map[string]any{"groups": []string{}}), nil)
	if _, err := a.Principal(t.Context(), request(raw)); err != nil || len(told.of.Teams) != 0 {
		t.Errorf("no groups: %v %v", err, told.of)
	}
}

func TestI05ATokenWhoseGroupsCannotBeReadIsRefused(t *testing.T) {
	s, c, told := newServer(t), newClock(), &census{}
	a := grouped(t, s, c, told)
	many := make([]string, 1001)
	for name, groups := range map[string]any{"a text": "platform", "numbers": []int{1}, "an object": map[string]any{"a": 1}, "null": nil, "too many": many} {
		raw := s.sign("first", s.claims(c.Now(), map[string]any{"groups": groups}), nil)
		wantCode(t, name, a, request(raw), authn.CodeGroups)
	}
	// Entra ID leaves the claim out and names another place when there are too many.
	raw := s.sign("first", s.claims(c.Now(), map[string]any{
		"_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/u"}},
	}), nil)
	wantCode(t, "none", a, request(raw), authn.CodeGroups)
	if told.who.Valid() {
		t.Errorf("told of %v", told.who)
	}
	told.err = errors.New("full")
	raw = s.sign("first", s.claims(c.Now(), map[string]any{"groups": []string{"platform"}}), nil)
	wantCode(t, "not kept", a, request(raw), authn.CodeMemory)
}

func TestGroupsThatMeanNothingAreRefusedAtStart(t *testing.T) {
	s, c := newServer(t), newClock()
	for name, change := range map[string]func(*authn.Issuer){
		"no claim":       func(i *authn.Issuer) { i.Groups.Claim = "" },
		"no team":        func(i *authn.Issuer) { i.Groups.Teams = nil },
		"a team's form":  func(i *authn.Issuer) { i.Groups.Teams = map[string]string{"a": "Not A Name"} },
		"of no people":   func(i *authn.Issuer) { i.Kind = writ.KindService },
		"an empty group": func(i *authn.Issuer) { i.Groups.Teams = map[string]string{"": "payments"} },
	} {
		i := s.issuer(writ.KindHuman)
		i.Groups = &authn.Groups{Claim: "groups", Teams: map[string]string{"a": "payments"}}
		change(&i)
		if _, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, People: &census{}, Dev: true, Now: c.Now}); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
