package storefront_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/storefront"
)

// connect makes a connector from the shop's own configuration.
func connect(t *testing.T, s *storefront.Shop) *httpapi.Connector {
	t.Helper()
	c, err := httpapi.ParseConfig(storefront.ConnectorYAML(s.AdminURL()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(s.ReadFile); err != nil {
		t.Fatal(err)
	}
	x, err := httpapi.New(c, httpapi.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func book(t *testing.T, name string) playbook.Playbook {
	t.Helper()
	all, err := storefront.Playbooks()
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := playbook.Parse(all[name])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestThePlaybooksFitTheConnector(t *testing.T) {
	x := connect(t, open(t, storefront.Config{Rate: -1}))
	all, err := storefront.Playbooks()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 4 {
		t.Errorf("%d playbooks", len(all))
	}
	for name, src := range all {
		for _, f := range playbook.LintSource(src, []connector.Catalogue{x.Catalogue()}) {
			t.Errorf("%s: %s", name, f)
		}
	}
}

// holds reads a condition until it holds, as long as it may take.
func holds(t *testing.T, x *httpapi.Connector, scope writ.Location, c writ.Condition) bool {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		r, err := x.Observe(t.Context(), connector.Query{Reader: c.Reader, With: c.With, Scope: []writ.Location{scope}, Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		if c.Holds(r.Facts) {
			return true
		}
		if time.Since(began) > time.Duration(c.WithinSeconds)*time.Second {
			t.Logf("%s does not hold: %v", c.Name, r.Facts)
			return false
		}
	}
}
