package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/writ-dev/writ"
)

// page returns the page at which a person asks who has no SSH key to sign with, but a passkey that counts. It is empty for
// whoever names a key, has one in the configuration, or has no passkey. The link has no authority, and holds no justification:
// addresses end up in logs.
func (g *glassAsk) page(ctx context.Context) (string, error) {
	if g.key != "" || g.cfg.SSHKey != "" {
		return "", nil
	}
	origin := ""
	for p, err := range g.Passkeys(ctx) {
		if err != nil {
			return "", err
		}
		if p.Person == writ.Person(g.cfg.Person) && p.State == writ.PasskeyActive {
			origin = p.Credential.Origin
		}
	}
	if origin == "" {
		return "", nil
	}
	q := url.Values{"playbook": {g.playbook}, "incident": {string(g.incident)}}
	if g.incident == "" {
		q.Set("incident", "drill")
		q.Set("service", g.service)
	}
	for _, p := range g.params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return "", &usageError{fmt.Sprintf("--param %q is not name=value", writ.Printable(p, 60)), "--param name=api"}
		}
		q.Set("p."+name, value)
	}
	return origin + "/breakglass?" + q.Encode(), nil
}

// showPage prints where to ask instead of signing here. What was not asked for yet is no use of break-glass.
func (a *app) showPage(format, page, then string) error {
	return a.print(format, map[string]string{"ask_at": page}, func() {
		fmt.Fprintf(a.stderr, "You have no SSH key here, and a passkey: ask in your browser, which shows the request before you sign it.\n")
		fmt.Fprintln(a.stdout, page)
		if then != "" {
			fmt.Fprintln(a.stderr, "hint: "+then)
		}
	})
}
