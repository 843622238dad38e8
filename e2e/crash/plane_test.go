package crash_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// A plane is what is repaired. It lives outside of the processes that are killed, and counts what reaches it.
type plane interface {
	// open makes the site's services. It returns the target for the installation, and where each service is.
	open(s *site) (about setup.Target, locations []string)
	// status names the reading that shows a service, and what the plane's playbooks take besides what a scenario gives.
	status(service string) (target writ.Location, reader writ.OperationName, with writ.Parameters)
	// look says what a service is set to.
	look(service string) (storefront.View, error)
	// once demands that no step, and no undo, had an effect twice since it was last asked.
	once(r repair) []error
	// powerless demands that no credential of a lease that was ever seen has power, and that nothing is left of the run's.
	powerless(service string, run writ.RunID) []error
}

const shop = writ.Location("httpapi://shop")

// storefrontPlane is a shop in this process, behind a wire that can be cut.
type storefrontPlane struct {
	shop *storefront.Shop
	wire *wire
}

func (p *storefrontPlane) open(s *site) (setup.Target, []string) {
	t := s.t
	t.Helper()
	var err error
	p.shop, err = storefront.Start(context.Background(), storefront.Config{Rate: -1})
	must(t, err)
	t.Cleanup(p.shop.Stop)
	p.wire = newWire(t, p.shop)
	s.shop, s.wire = p.shop, p.wire
	var locations []string
	for _, name := range s.services {
		must(t, p.shop.Open(name))
		locations = append(locations, fmt.Sprintf("%s/services/%s", shop, name))
	}
	yml := storefront.ConnectorYAML(p.wire.URL)
	c, err := httpapi.ParseConfig(yml)
	must(t, err)
	must(t, c.Load(p.shop.ReadFile))
	conn, err := httpapi.New(c, httpapi.Options{Now: time.Now, Rand: rand.Reader})
	must(t, err)
	files := p.shop.Files()
	files["shop.yaml"] = yml
	return setup.Target{Location: shop, Connector: "shop.yaml", Files: files, Catalogue: conn.Catalogue()}, locations
}

func (p *storefrontPlane) status(service string) (writ.Location, writ.OperationName, writ.Parameters) {
	return shop, "httpapi/service.status", writ.Parameters{"service": writ.String(service)}
}

func (p *storefrontPlane) look(service string) (storefront.View, error) { return p.shop.Look(service) }

func (p *storefrontPlane) once(repair) (errs []error) {
	keys, paths := map[string]int{}, map[string]int{}
	for _, e := range p.wire.taken() {
		keys[e.key]++
		paths[e.path]++
		if keys[e.key] > 1 {
			errs = append(errs, fmt.Errorf("the call %s of %s had an effect %d times", e.key, e.path, keys[e.key]))
		}
		if paths[e.path] > 2 {
			errs = append(errs, fmt.Errorf("%s was changed %d times: a step and its undo are two", e.path, paths[e.path]))
		}
	}
	return errs
}

// powerless replays every token of a lease that was ever seen.
func (p *storefrontPlane) powerless(service string, _ writ.RunID) (errs []error) {
	for token, power := range p.wire.leaseTokens() {
		code, err := p.wire.statusOf(token, service)
		if err != nil || code != http.StatusUnauthorized && (power || code != http.StatusForbidden) {
			errs = append(errs, fmt.Errorf("a lease's token is answered with %d (%v)", code, err))
		}
	}
	return errs
}
