// Package install makes installations of Writ for tests that run whole processes: the binary, free addresses, the parties
// that all of them have, a storefront as a target, what Alertmanager posts, and a proxy that can be cut. What is particular
// to a test stays with the test.
package install

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
)

// Names of an installation's parties.
const (
	Team      = "checkout" // owns the services
	Oncall    = Team + "-oncall"
	You       = "you" // approves, and is on call
	Ana       = "ana" // answers for the diagnosing agent
	Rob       = "rob" // answers for the repairing agent
	Diagnoser = "diagnose"
	Repairer  = "repair"
	Alerts    = "alertmanager"
)

// PlanLife is short enough for tests and long enough for a busy machine.
const PlanLife = 5 * time.Minute

// Options are what all installations have: the parties, and addresses for listener, runners' door, signer and admin door.
func Options(t testing.TB) setup.Options {
	t.Helper()
	addr := Addresses(t, 4)
	return setup.Options{
		Listen: addr[0], Runners: addr[1], Signer: addr[2], Admin: addr[3], PlanLife: PlanLife, Now: time.Now(),
		Agents: []setup.Agent{
			{Name: Diagnoser, Team: "observability", Owner: Ana, Roles: []string{"diagnose"}},
			{Name: Repairer, Team: Team, Owner: Rob, Roles: []string{"repair"}},
		},
		People:  []setup.Person{{Sub: You, Groups: []string{Team, Oncall}}, {Sub: Ana, Groups: []string{Team}}, {Sub: Rob, Groups: []string{Team}}},
		Sources: []string{Alerts},
	}
}

// Component is a service of Team as the catalogue writes it (Backstage's catalog-info.yaml).
func Component(name string, at writ.Location) string {
	return fmt.Sprintf("---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: %s\n  annotations:\n    writ.dev/environment: prod\n    writ.dev/locations: %s\nspec: {type: service, lifecycle: production, owner: %s}\n",
		name, at, Team)
}

// EditServer changes a control plane's configuration and writes it to another file, or the same.
func EditServer(t testing.TB, from, to string, f func(*config.Server)) {
	t.Helper()
	c, err := config.LoadServer(from, true)
	must(t, err)
	f(&c)
	save(t, to, c)
}

// EditRunner does the same with a runner's.
func EditRunner(t testing.TB, from, to string, f func(*config.Runner)) {
	t.Helper()
	c, err := config.LoadRunner(from)
	must(t, err)
	f(&c)
	save(t, to, c)
}

func save(t testing.TB, file string, config any) {
	t.Helper()
	b, err := yaml.Marshal(config)
	must(t, err)
	must(t, os.WriteFile(file, b, 0o600))
}

// Token is the secret with which a party calls.
func Token(t testing.TB, in setup.Installation, party string) string {
	t.Helper()
	b, err := os.ReadFile(in.Tokens[party])
	must(t, err)
	return strings.TrimSpace(string(b))
}

// Client is a party's client of a server. c may be zero.
func Client(t testing.TB, in setup.Installation, url, party string, c client.Config) *client.Client {
	t.Helper()
	c.Token = client.Static(Token(t, in, party))
	made, err := client.New(url, c)
	must(t, err)
	return made
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
