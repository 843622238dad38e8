package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
)

func TestALoginGoesOnToThePageThatWasAskedFor(t *testing.T) {
	p := newPortal(t, func(c *config.Server) { c.DevKeys = nil })
	b := p.browser(t)
	back := p.idp.LogIn(t, b, p.url+"/plans?state=waiting") // which sends a browser without a session to the login
	resp, body := get(t, b, "GET", back.String())
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/plans?state=waiting" || cookie(resp) == nil {
		t.Fatalf("%s to %q\n%s", resp.Status, resp.Header.Get("Location"), body)
	}
	if resp, body := get(t, b, "GET", p.url+"/plans?state=waiting"); resp.StatusCode != http.StatusOK || !strings.Contains(body, "No such plan.") || strings.Contains(body, "Development login") {
		t.Errorf("%s\n%s", resp.Status, body)
	}
	// A link that names another host is a login and nothing more.
	other := p.browser(t)
	back = p.idp.LogIn(t, other, p.url+authn.PathLogin+"?to=//evil.example/")
	if resp, body := get(t, other, "GET", back.String()); resp.StatusCode != http.StatusOK || resp.Header.Get("Location") != "" || !strings.Contains(body, "You are logged in") {
		t.Errorf("%s to %q\n%s", resp.Status, resp.Header.Get("Location"), body)
	}
}
