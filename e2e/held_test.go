package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/verify"
)

// serveHere serves the control plane from this process, over its own listeners, beside a signer and a runner that are
// processes of their own. It is for what no door does: the test exchanges a plan for its grant by calling the use case.
func (x *counter) serveHere() *server.Server {
	x.t.Helper()
	x.startSigner()
	c, err := config.LoadServer(x.in.Server, true)
	must(x.t, err)
	out, err := os.OpenFile(filepath.Join(x.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(x.t, err)
	ctx, stop := context.WithCancel(context.Background())
	s, err := server.New(ctx, c, "test", true, slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	must(x.t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	x.t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			x.t.Errorf("the server: %v", err)
		}
		out.Close()
	})
	await(x.t, "the server", func() (bool, string) {
		resp, err := http.Get(x.admin + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status
	})
	x.startRunner()
	x.awaitRunner()
	return s
}

// An agent proposes under a key of its own; a person approves; the agent fetches the grant and presents it; the runner
// checks the agent's proof and acts. The grant is in no log and in no entry.
func TestI03AnAgentThatHoldsItsGrantCarriesARepairOut(t *testing.T) {
	t.Parallel()
	x := prepareShop(t, func(_ *counter, o *setup.Options) {
		o.Playbooks = append(o.Playbooks, []byte(more))
		o.Ceiling = &setup.Ceiling{MaxObjects: 5, MaxPermille: 1000, RunsPerHour: 60, ProofT2: writ.ProofD}
	})
	ctl := x.serveHere().Control
	must(t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline"))
	x.alarm()
	id, _ := x.agent(t, diagnoser).observe(t, x.incident, "httpapi/service.status", map[string]any{"service": storefront.Checkout})
	x.evidence = []string{id}
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	must(t, err)
	holder, err := client.Thumbprint(&key.PublicKey)
	must(t, err)
	agent := install.Client(t, x.in, x.url, repairer, client.Config{})

	ask := writ.Ask{Incident: x.incident, Playbook: "more", Holder: holder, Because: "it is overloaded",
		Parameters: writ.Parameters{"service": writ.String(storefront.Checkout), "replicas": writ.Int(4)}}
	for _, e := range x.evidence {
		ask.Evidence = append(ask.Evidence, writ.EvidenceID(e))
	}
	p, err := agent.Propose(t.Context(), ask)
	must(t, err)
	p, err = agent.WaitPlan(t.Context(), p.ID, writ.PlanPlanning)
	must(t, err)
	if p.State != writ.PlanWaiting {
		t.Fatalf("the plan is %s: %s %s", p.State, p.Reason, p.Detail)
	}
	shown, err := x.person.Plan(t.Context(), p.ID)
	must(t, err)
	by := shown.Requester
	details := writ.Authorization{Type: writ.AuthorizationType, Plan: p.ID, PlanDigest: p.Digest}
	_, err = ctl.Exchange(t.Context(), by, holder, details, shown.Plan.Runner)
	if writ.ReasonOf(err) != writ.ReasonPending {
		t.Errorf("exchanged before it was approved: %v", err)
	}
	if r := x.approves(p.ID); r.code != 0 {
		t.Errorf("approve ended with %d: %s%s", r.code, r.out, r.err)
	}
	if p, err = agent.Plan(t.Context(), p.ID); err != nil || p.State != writ.PlanReady || p.Hint == "" {
		t.Fatalf("once approved the plan is %s (%q): %v", p.State, p.Hint, err)
	}
	g, err := ctl.Exchange(t.Context(), by, holder, details, shown.Plan.Runner)
	must(t, err)

	thief, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	must(t, err)
	if _, err := agent.Present(t.Context(), g.Token, thief); writ.ReasonOf(err) != writ.ReasonPresenter {
		t.Errorf("presented with another key: %v", err)
	}
	other := install.Client(t, x.in, x.url, diagnoser, client.Config{})
	if _, err := other.Present(t.Context(), g.Token, key); writ.ReasonOf(err) == "" {
		t.Errorf("presented by another agent: %v", err)
	}
	r, err := agent.Present(t.Context(), g.Token, key)
	must(t, err)
	if r.ID != g.Run {
		t.Errorf("the run is %s, not %s", r.ID, g.Run)
	}
	if r := x.ends(p.ID); r.State != writ.RunSucceeded || r.ID != g.Run {
		t.Fatalf("run %s ended %s: %s %s", r.ID, r.State, r.Reason, r.Detail)
	}
	if _, err := agent.Present(t.Context(), g.Token, key); writ.ReasonOf(err) != writ.ReasonSpent {
		t.Errorf("presented once more: %v", err)
	}

	x.quiet(t)
	bundle := filepath.Join(t.TempDir(), "all.bundle")
	x.wantCLI(t, 0, you, "ledger", "export", "-f", bundle)
	var report verify.Report
	must(t, json.Unmarshal([]byte(x.run(t, x.dir, "ledger", "verify", bundle, "--trust", x.in.Verify, "-o", "json").out), &report))
	if len(report.Findings) != 0 || len(report.Plans) != 1 || report.Plans[0].Mode != writ.ModeKey || report.Plans[0].State != writ.RunSucceeded {
		t.Errorf("%s", report.Text())
	}
	parts := strings.Split(g.Token, ".")
	for _, name := range []string{"server.log", "runner.log", "signer.log", bundle} {
		if !filepath.IsAbs(name) {
			name = filepath.Join(x.dir, name)
		}
		if b := string(read(t, name)); strings.Contains(b, parts[1]) || strings.Contains(b, parts[2]) {
			t.Errorf("%s holds the grant", filepath.Base(name))
		}
	}
}
