package e2e_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

const inTheShop = "emergency-rollback"

// TestPitfall34BreakGlassIsAskedForByPasskeyInABrowser asks for break-glass with a passkey of Chromium's virtual
// authenticator, at the level that is asked for by default; somebody else approves, the runner checks the ask against the
// passkeys that its owners have signed in, and a third page takes the review. Whoever is not verified, or shown something
// else than what is signed, asks for nothing. The ledger of it verifies offline.
func TestPitfall34BreakGlassIsAskedForByPasskeyInABrowser(t *testing.T) {
	t.Parallel()
	var origin string
	x := prepareShop(t, func(_ *counter, o *setup.Options) {
		u, err := url.Parse("http://" + o.Listen)
		must(t, err)
		origin = "http://localhost:" + u.Port()
		books, err := storefront.Playbooks()
		must(t, err)
		o.Playbooks = append(o.Playbooks, []byte(strings.NewReplacer("name: rollback-release\n", "name: "+inTheShop+"\nemergency: true\n", "tier: T1", "tier: T2",
			"evidence:\n  - httpapi/service.metrics\n", "").Replace(string(within.ReplaceAll(books["rollback-release.yaml"], []byte("within_seconds: 120"))))))
	})
	x.edit(func(c *config.Server) { c.Approve = &config.Approve{Origin: origin} })
	x.start()
	b := newChromium(t, x.url, origin)
	b.does(act{Do: "login", Who: you, Key: x.tokenOf(you)})
	b.does(act{Do: "login", Who: ana, Key: x.tokenOf(ana)})
	enrolled := b.does(act{Do: "enrol", Who: you, Verified: true})
	b.does(act{Do: "confirm", Who: ana, Fingerprint: enrolled.Fingerprint})
	x.signIn(x.wantCLI(t, 0, ana, "approver", "export").out)
	x.fails() // after it: a passkey that is newer than the incident asks for nothing

	good := act{Do: "glass", Who: you, Verified: true, Incident: x.incident, Playbook: inTheShop, Parameters: map[string]string{"service": storefront.Checkout, "to": "v41"}, Justification: "the second owner cannot be reached"}
	for name, c := range map[string]struct {
		change func(*act)
		told   string
	}{
		"not verified":                     {func(a *act) { a.Verified = false }, ""}, // by the browser, in its own words
		"not verified, and nobody demands": {func(a *act) { a.Verified, a.Weakened = false, true }, "the authenticator did not verify its user"},
		"another playbook's bytes":         {func(a *act) { a.Altered = true }, "The playbook on this page is not the one of its digest."},
		"another statement":                {func(a *act) { a.Other = true }, "The statement to sign is not the request on this page."},
	} {
		a := good
		c.change(&a)
		if s := b.does(a); !strings.HasPrefix(s.Told, "Not done: ") || !strings.Contains(s.Told, c.told) {
			t.Errorf("%s: %q", name, s.Told)
		}
		for g, err := range x.person.BreakGlasses(t.Context(), "") {
			must(t, err)
			t.Fatalf("%s: %+v", name, g)
		}
	}
	s := b.does(good)
	_, id, found := strings.Cut(s.At, x.url+"/breakglass/")
	if !found {
		t.Fatalf("asked with %q, it ends at %s\n%s", s.Told, s.At, s.Page)
	}
	glass, err := writ.ParseBreakGlassID(id)
	must(t, err)
	g, err := x.person.BreakGlass(t.Context(), glass)
	must(t, err)
	if g.Proof != writ.ProofB || g.State != writ.BreakGlassAsked || g.Asker.Sub != string(you) || g.Justification != good.Justification {
		t.Fatalf("%+v", g)
	}
	await(t, "the plan", func() (bool, string) {
		p, err := x.person.Plan(t.Context(), g.Plan)
		return err == nil && p.State == writ.PlanWaiting, string(p.State) + p.Detail
	})
	digest := digestIn(t, x.cli(t, ana, "plan", "show", string(g.Plan)).out)
	x.wantCLI(t, 0, ana, "approve", string(g.Plan), "--digest", digest)
	if r := x.ends(g.Plan); r.State != writ.RunSucceeded {
		t.Fatalf("%s: %s %s", r.State, r.Reason, r.Detail)
	}
	reviewed := b.does(act{Do: "review", Who: ana, Glass: glass, Justification: "the rota had a hole"})
	if g, err = x.person.BreakGlass(t.Context(), glass); err != nil || g.State != writ.BreakGlassReviewed || g.Review.Note != "the rota had a hole" {
		t.Errorf("%+v, %v\n%s", g, err, reviewed.Page)
	}
	x.verified(t)
}
