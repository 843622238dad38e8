// Package demo plays an incident end to end: a real target, the control plane, a runner and a signer over their network
// interfaces, two scripted agents that speak MCP like any client, an approver, and an attacker on the wire between
// server and runner who has stolen both their keys.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/verify"
)

// Options say how to play.
type Options struct {
	Kubeconfig string // a cluster to play on; empty means the embedded storefront
	Yes        bool   // answer for the person with the demo's own key
	Terminal   bool   // a person sits at standard input and may answer
	Command    string // how this program is called, for the commands that are printed
	Version    string
	Progress   io.Writer // live story for people
	Log        *slog.Logger
}

// A Scene is one part of the story with its outcome.
type Scene struct {
	Name       string      `json:"name"`
	Expected   string      `json:"expected"`
	Outcome    string      `json:"outcome"`
	OK         bool        `json:"ok"`
	PlanDigest writ.Digest `json:"plan_digest,omitzero"`
	Run        writ.RunID  `json:"run,omitempty"`
}

// A Report is what the demonstration prints with --json.
type Report struct {
	Scenes       []Scene      `json:"scenes"`
	Ledger       LedgerReport `json:"ledger"`
	LeasesAlive  int          `json:"leases_alive"`
	Seconds      float64      `json:"seconds"`       // whole demonstration
	DeathSeconds float64      `json:"death_seconds"` // of these, waiting until every lease's identity was refused
}

// LedgerReport is the offline verification.
type LedgerReport struct {
	Entries  int  `json:"entries"`
	Verified bool `json:"verified"`
}

// OK reports whether every scene ended as it should and nothing is left.
func (r Report) OK() bool {
	for _, s := range r.Scenes {
		if !s.OK {
			return false
		}
	}
	return len(r.Scenes) > 0 && r.Ledger.Verified && r.LeasesAlive == 0
}

// Names of the parties.
const (
	person       = "you"
	agentOwner   = "ana" // answers for the diagnosing agent
	repairOwner  = "rob" // answers for the repairing agent
	diagnoser    = "diagnose"
	repairer     = "repair"
	soloist      = "solo" // has both roles: reads and repairs alone
	alertSource  = "alertmanager"
	team         = "checkout"
	patience     = 2 * time.Minute // how long a person may stay silent
	sceneTimeout = 40 * time.Second
	deathTimeout = 60 * time.Second
)

// play holds what the scenes share.
type play struct {
	o      Options
	stage  stage
	in     setup.Installation
	person *client.Client
	wire   *wire
	agents map[string]*agent
	url    string
	report Report
	pins   [][]byte         // checkpoints kept after each scene
	last   *writ.PlanStatus // the plan to review: one that a person approved
}

// Play plays all scenes and returns what came of them. An error means that the demonstration itself could not go on.
func Play(ctx context.Context, o Options) (Report, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "writ-demo-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &play{o: o, agents: map[string]*agent{}}
	p.say("writ %s: a demonstration in %s", o.Version, dir)
	if p.stage, err = openStage(ctx, o, dir); err != nil {
		return Report{}, err
	}
	defer p.stage.close()
	stop, err := p.start(ctx, filepath.Join(dir, "writ"))
	if err != nil {
		return Report{}, err
	}
	defer stop()
	for _, s := range scenes {
		if err := p.scene(ctx, s); err != nil {
			return p.report, err
		}
		if err := p.keepCheckpoint(ctx); err != nil {
			return p.report, err
		}
	}
	if err := p.review(ctx); err != nil {
		return p.report, err
	}
	p.report.Seconds = time.Since(began).Seconds()
	return p.report, nil
}

// start writes an installation, and starts server, signer and runner with the wire between them.
func (p *play) start(ctx context.Context, dir string) (stop func(), err error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	target, err := p.stage.target()
	if err != nil {
		return nil, err
	}
	p.in, err = setup.Write(dir, setup.Options{
		Listen: ports[0], Runners: ports[1], Signer: ports[2], RunnerURL: "https://" + ports[3],
		Services: p.stage.services(), Playbooks: p.stage.playbooks(), Targets: []setup.Target{target},
		Agents: []setup.Agent{
			{Name: diagnoser, Team: "observability", Owner: agentOwner, Roles: []string{"diagnose"}},
			{Name: repairer, Team: team, Owner: repairOwner, Roles: []string{"repair"}},
			{Name: soloist, Team: team, Owner: repairOwner, Roles: []string{"diagnose", "repair"}},
		},
		People:  []setup.Person{{Sub: person, Groups: p.stage.groups()}, {Sub: agentOwner, Groups: []string{team}}, {Sub: repairOwner, Groups: []string{team}}},
		Sources: []string{alertSource}, Now: time.Now(),
	})
	if err != nil {
		return nil, err
	}
	if p.wire, err = openWire(p.in, ports[3], ports[1]); err != nil {
		return nil, err
	}
	c, err := config.LoadServer(p.in.Server, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	procs, err := server.Start(ctx, c, p.o.Version, true, p.o.Log)
	if err != nil {
		cancel()
		return nil, err
	}
	stop = func() {
		cancel()
		if err := procs.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			p.o.Log.Error("shutdown", "error", err)
		}
		p.wire.close()
	}
	p.url = c.ExternalURL
	if err := p.connect(ctx); err != nil {
		stop()
		return nil, err
	}
	p.say("server, signer and runner are up; two agents are connected over MCP")
	return stop, nil
}

// connect makes the person's client and the agents' MCP sessions, and points the target's alerts at the server.
func (p *play) connect(ctx context.Context) error {
	token, err := p.token(person)
	if err != nil {
		return err
	}
	if p.person, err = client.New(p.url, client.Config{Token: client.Static(token)}); err != nil {
		return err
	}
	for _, name := range []string{diagnoser, repairer, soloist} {
		token, err := p.token(name)
		if err != nil {
			return err
		}
		if p.agents[name], err = connect(ctx, name, p.url, token); err != nil {
			return err
		}
	}
	if token, err = p.token(alertSource); err != nil {
		return err
	}
	p.stage.alertsTo(p.url+"/v1/alerts/alertmanager", token)
	return nil
}

func (p *play) token(name string) (string, error) {
	b, err := os.ReadFile(p.in.Tokens[name])
	return strings.TrimSpace(string(b)), err
}

// review is the last act: who authorised what and why, the offline verification, and proof that no lease lives.
func (p *play) review(ctx context.Context) error {
	p.title("review", "who authorised what, and why")
	began := time.Now()
	if err := p.awaitDeath(ctx); err != nil {
		return err
	}
	p.report.DeathSeconds = time.Since(began).Seconds()
	if p.last != nil {
		s, err := p.person.Incident(ctx, p.last.Incident)
		if err != nil {
			return err
		}
		for _, e := range s.Timeline {
			p.say("  %4d %s %-11s %s", e.Index, e.Time.Format("15:04:05Z"), e.Kind, writ.Printable(e.Summary, 150))
		}
	}
	bundle, err := p.person.Export(ctx, "")
	if err != nil {
		return err
	}
	tb, err := os.ReadFile(p.in.Verify)
	if err != nil {
		return err
	}
	trust, err := verify.ParseTrust(tb)
	if err != nil {
		return err
	}
	report, err := verify.Bundle(bytes.NewReader(bundle), trust, p.pins...)
	if err != nil {
		return err
	}
	status, err := p.person.Status(ctx)
	if err != nil {
		return err
	}
	p.report.LeasesAlive = status.LeasesAlive
	p.report.Ledger = LedgerReport{Entries: report.Entries, Verified: report.Verdict() == verify.OK}
	if !p.report.Ledger.Verified {
		p.say("%s", report.Text())
	} else {
		p.say("ledger verified: %d entries", report.Entries)
	}
	p.say("leases alive: %d", status.LeasesAlive)
	return nil
}

// keepCheckpoint keeps the newest signed checkpoint apart from the ledger, as an auditor would: what it covers cannot be
// left out of the ledger later without showing.
func (p *play) keepCheckpoint(ctx context.Context) error {
	_, note, err := p.person.Entries(ctx, 0, 1)
	if err == nil {
		p.pins = append(p.pins, note)
	}
	return err
}

// awaitDeath waits until every lease has been proven dead.
func (p *play) awaitDeath(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deathTimeout)
	defer cancel()
	for {
		s, err := p.person.Status(ctx)
		if err != nil {
			return err
		}
		if s.LeasesAlive == 0 {
			return nil
		}
		p.say("  %d leases without power, their identity is being proven dead …", s.LeasesAlive)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil // the report will count them
		}
	}
}

func (p *play) say(format string, args ...any) { fmt.Fprintf(p.o.Progress, format+"\n", args...) }

func (p *play) title(name, about string) {
	p.say("\n── %s: %s", name, about)
}
