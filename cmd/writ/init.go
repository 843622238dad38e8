package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/setup"
)

func runInit(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "init", "<dir> --kubeconfig FILE --services catalog-info.yaml [--target name] [--person name …] [--agent name …]",
		"Writes a working installation for one Kubernetes cluster: keys, configurations of server, runner and signer, a signed trust file, and a command line configuration and keys for each person. Nothing is overwritten.")
	kubeconfig := f.String("kubeconfig", "", "credential that mints leases on the cluster, `file`")
	services := f.String("services", "", "service catalogue, `file` (Backstage catalog-info.yaml)")
	name := f.String("target", "local", "`name` of the cluster")
	group := f.String("team", "platform", "`team` of agents and people")
	var people, agents words
	f.Var(&people, "person", "a person who may approve, `name`; may be repeated; default you")
	f.Var(&agents, "agent", "an agent with the roles diagnose and repair, `name`; may be repeated; default repair-agent")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *kubeconfig == "" || *services == "" {
		return &usageError{"--kubeconfig and --services are needed", "writ init ./writ --kubeconfig ~/.kube/config --services catalog-info.yaml"}
	}
	catalogue, err := os.ReadFile(*services)
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	at, err := writ.ParseLocation("kubernetes://" + *name)
	if err != nil {
		return err
	}
	abs, err := filepath.Abs(*kubeconfig)
	if err != nil {
		return err
	}
	o := setup.Options{
		Services: catalogue, Sources: []string{"alertmanager"}, Now: time.Now(), Admin: "127.0.0.1:8422",
		Targets: []setup.Target{{Location: at, Kubeconfig: abs, Catalogue: kubernetes.Catalogue()}},
	}
	if len(people) == 0 {
		people = words{"you"}
	}
	if len(agents) == 0 {
		agents = words{"repair-agent"}
	}
	for _, p := range people {
		o.People = append(o.People, setup.Person{Sub: p, Groups: []string{*group, *group + "-oncall"}})
	}
	// An agent needs a human who answers for it and cannot approve for it.
	o.People = append(o.People, setup.Person{Sub: "agent-owner", Groups: []string{*group}})
	for _, g := range agents {
		o.Agents = append(o.Agents, setup.Agent{Name: g, Team: *group, Owner: "agent-owner", Roles: []string{"diagnose", "repair"}})
	}
	in, err := setup.Write(rest[0], o)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, `wrote %[1]s
  start           writ serve --dev -c %[1]s/writ.yaml
  alerts          POST http://127.0.0.1:8420/v1/alerts/alertmanager with the token in %[1]s/tokens/alertmanager
  agent           MCP at http://127.0.0.1:8420/mcp with the token in %[1]s/tokens/%[3]s
  you             http://127.0.0.1:8420 in a browser, with the key in %[1]s/tokens/%[2]s; or writ inbox --config %[1]s/cli-%[2]s.yaml
  verify          writ ledger export --config %[1]s/cli-%[2]s.yaml -f all.bundle && writ ledger verify all.bundle --trust %[1]s/verify.json
`, in.Dir, people[0], agents[0])
	return nil
}
