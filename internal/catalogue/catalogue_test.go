package catalogue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/catalogue"
)

const shop = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: checkout
  description: takes money
  annotations:
    writ.dev/environment: prod
    writ.dev/locations: kubernetes://prod-eu1/shop/deployment/checkout, kubernetes://prod-eu1/shop/pod
    backstage.io/kubernetes-id: checkout
spec: {type: service, lifecycle: production, owner: group:default/payments}
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata: {name: shop}
spec: {owner: payments}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: website}
spec: {type: website, owner: web}
`

func TestR25EnvironmentAndOwnerComeFromTheCatalogue(t *testing.T) {
	c, err := catalogue.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Find("checkout")
	if err != nil || s.Owner != "payments" || s.Environment != "prod" || len(s.Locations) != 2 {
		t.Fatalf("checkout: %+v, %v", s, err)
	}
	if got := s.Targets(); len(got) != 1 || got[0] != "kubernetes://prod-eu1" {
		t.Errorf("targets: %v", got)
	}
	if len(c) != 1 {
		t.Errorf("other kinds and components without Writ's annotations were taken: %v", c)
	}
}

func TestR23UnknownServiceIsRefusedWithTheKnownOnes(t *testing.T) {
	c, _ := catalogue.Parse([]byte(shop))
	_, err := c.Find("chekout\x1b[31m")
	var r *writ.Refusal
	if !errors.As(err, &r) || r.Code != writ.ReasonUnknownService || !strings.Contains(r.Hint, "checkout") || strings.Contains(r.Detail, "\x1b") {
		t.Fatalf("got %v", err)
	}
}

func TestParseRefusesWhatWouldWidenAScope(t *testing.T) {
	for name, change := range map[string][2]string{
		"unknown annotation":      {"writ.dev/environment: prod", "writ.dev/enviroment: prod"},
		"unknown environment":     {"writ.dev/environment: prod", "writ.dev/environment: production"},
		"whole target as a scope": {"kubernetes://prod-eu1/shop/deployment/checkout", "kubernetes://prod-eu1"},
		"not a location":          {"kubernetes://prod-eu1/shop/deployment/checkout", "../../checkout"},
		"no owner":                {"owner: group:default/payments", "owner: ''"},
		"twice":                   {"kind: System\nmetadata: {name: shop}", "kind: Component\nmetadata: {name: checkout, annotations: {writ.dev/environment: prod, writ.dev/locations: kubernetes://a/b/c/d}}"},
	} {
		t.Run(name, func(t *testing.T) {
			in := strings.Replace(shop, change[0], change[1], 1)
			if in == shop {
				t.Fatal("the change changed nothing")
			}
			if _, err := catalogue.Parse([]byte(in)); !errors.Is(err, writ.ErrInvalid) {
				t.Errorf("want ErrInvalid, got %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(shop))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := catalogue.Parse(b)
		if err != nil {
			return
		}
		for name, s := range c {
			if !writ.IsName(name) || len(s.Locations) == 0 {
				t.Fatalf("accepted %q: %+v", name, s)
			}
		}
	})
}
