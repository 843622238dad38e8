package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// TestBadInputAtADoorIsOneSentenceAndChangesNothing sends what nobody should through the doors of a running server.
func TestBadInputAtADoorIsOneSentenceAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, oneProcess, "input")
	x := s.healthy(t, "input").diagnosed()
	before := s.entries(t)
	good := string(x.webhook("firing", "input"))
	for name, c := range map[string]struct {
		body string
		code int
		say  string
	}{
		"no JSON":             {`{"version":"4"`, http.StatusUnprocessableEntity, "JSON"},
		"another version":     {strings.Replace(good, `"version":"4"`, `"version":"3"`, 1), http.StatusUnprocessableEntity, "version"},
		"no alerts":           {`{"version":"4","groupKey":"k","status":"firing","alerts":[]}`, http.StatusUnprocessableEntity, "alerts"},
		"an unknown service":  {string(x.webhook("firing", "nonesuch")), http.StatusUnprocessableEntity, "nonesuch"},
		"another environment": {strings.ReplaceAll(good, `"environment":"prod"`, `"environment":"dev"`), http.StatusUnprocessableEntity, "environment"},
		"an unknown severity": {strings.ReplaceAll(good, `"severity":"error"`, `"severity":"purple"`), http.StatusUnprocessableEntity, "severity"},
		"two megabytes":       {strings.Replace(good, `"summary":"`, `"summary":"`+strings.Repeat("a", 2<<20), 1), http.StatusRequestEntityTooLarge, "bytes"},
	} {
		code, text := s.post(t, []byte(c.body))
		if code != c.code || !strings.Contains(text, c.say) || strings.Count(text, "\n") > 1 || len(text) > 1000 {
			t.Errorf("%s: answered %d %.300s", name, code, text)
		}
	}
	if after := s.entries(t); len(after) != len(before) {
		t.Errorf("bad webhooks have added %d entries", len(after)-len(before))
	}

	a := x.agent(t, repairer)
	for name, c := range map[string]struct {
		playbook string
		with     map[string]any
		reason   writ.Reason
	}{
		"an unknown playbook":        {"nonesuch", x.workload(), writ.ReasonUnknownPlaybook},
		"an unknown parameter":       {"scale-workload", map[string]any{"namespace": x.ns, "name": deployment, "replicas": 4, "force": true}, writ.ReasonUnknownParameter},
		"a value above the bound":    {"scale-workload", map[string]any{"namespace": x.ns, "name": deployment, "replicas": 201}, writ.ReasonParameterBound},
		"a value of another type":    {"scale-workload", map[string]any{"namespace": x.ns, "name": deployment, "replicas": "many"}, writ.ReasonParameterType},
		"a missing parameter":        {"scale-workload", map[string]any{"name": deployment, "replicas": 4}, writ.ReasonMissingParameter},
		"a name that is a path":      {"scale-workload", map[string]any{"namespace": x.ns, "name": "../nodes", "replicas": 4}, writ.ReasonParameterBound},
		"somebody else's deployment": {"scale-workload", map[string]any{"namespace": "kube-system", "name": deployment, "replicas": 4}, writ.ReasonOutOfScope},
	} {
		out := a.propose(t, x.incident, c.playbook, c.with, x.evidence...)
		if !strings.Contains(out.first(), string(c.reason)) || len(strings.Split(strings.TrimSpace(out.text), "\n")) > 4 {
			t.Errorf("%s: answered %s, want %s", name, out.text, c.reason)
		}
	}
	for _, e := range s.entries(t)[len(before):] {
		switch e.Record.Kind { // refusals are on the record; a plan for another namespace was asked for and refused
		case writ.EntryDeny, writ.EntryProposal, writ.EntryPlanEnd, writ.EntryDecision:
		default:
			t.Errorf("a refused call has left an entry of kind %s", e.Record.Kind)
		}
	}
	x.wantWrites(0)
	st, err := s.person.Status(t.Context())
	must(t, err)
	if st.Waiting != 0 || st.Running != 0 || st.Incidents != 1 {
		t.Errorf("%+v", st)
	}
	// A target that cannot be reached is said to be that, in one sentence, and the incident goes on.
	s.gate.CloseClientConnections()
	s.gate.Listener.Close()
	out := x.agent(t, diagnoser).call(t, "read_evidence", map[string]any{
		"incident": string(x.incident), "kind": string(kubernetes.WorkloadStatus), "query": `{"kind":"deployment","namespace":"` + x.ns + `","name":"` + deployment + `"}`,
	})
	if !strings.Contains(out.first(), string(writ.ReasonUnreachable)) {
		t.Errorf("an unreachable cluster is answered with: %s", out.text)
	}
}

// TestBadInputOnTheCommandLineIsOneSentenceWithAHint starts and calls the program with what cannot work.
func TestBadInputOnTheCommandLineIsOneSentenceWithAHint(t *testing.T) {
	t.Parallel()
	s := newSite(t, oneProcess, "command")
	before := len(s.entries(t))
	edited := func(file, old, new string) string {
		b := string(read(t, file))
		if !strings.Contains(b, old) {
			t.Fatalf("%s has no %q", file, old)
		}
		out := filepath.Join(s.in.Dir, "bad-"+strings.ReplaceAll(old[:4], ":", "")+filepath.Base(file))
		write(t, out, []byte(strings.Replace(b, old, new, 1)))
		return out
	}
	c, err := config.LoadServer(s.in.Server, true)
	must(t, err)
	client := []string{"--config", s.in.Clients[you]}
	dead := filepath.Join(s.dir, "dead.kubeconfig")
	write(t, dead, []byte(strings.Replace(string(read(t, s.Kubeconfig)), s.Host, "https://"+install.Addresses(t, 1)[0], 1)))
	// A second signer with a state of its own gets as far as the port.
	taken := edited(s.in.Signer, "state: signer.state", "state: other.state")
	write(t, filepath.Join(s.in.Dir, "other.state"), read(t, filepath.Join(s.in.Dir, "signer.state")))
	for name, c := range map[string]struct {
		args []string
		code int
		say  string
	}{
		"an unknown command":                  {[]string{"aprove"}, 2, "did you mean"},
		"an unknown flag":                     {[]string{"serve", "--port", "80"}, 2, "usage"},
		"an unknown configuration key":        {[]string{"serve", "--dev", "-c", edited(s.in.Server, "listen:", "lisen:")}, 2, "lisen"},
		"a target credential in the server's": {[]string{"serve", "--dev", "-c", edited(s.in.Server, "data: data", "kubeconfig: x\ndata: data")}, 2, "holds no target credential"},
		"a database in the runner's":          {[]string{"runner", "-c", edited(s.in.Runner, "journal:", "database: x\njournal:")}, 2, "a runner has no database"},
		"no configuration":                    {[]string{"serve", "-c", "nonesuch.yaml"}, 2, "nonesuch.yaml"},
		"development keys without --dev":      {[]string{"serve", "-c", s.in.Server}, 2, "--dev"},
		"a second server":                     {[]string{"serve", "--dev", "-c", s.in.Server}, 1, "in use"},
		"a second runner":                     {[]string{"runner", "-c", s.in.Runner}, 1, "journal"},
		"a port in use":                       {[]string{"signer", "-c", taken}, 1, "cannot listen on " + c.Signer.URL[len("https://"):]},
		"a cluster that is not there":         {[]string{"demo", "--yes", "--kubeconfig", dead}, 1, "cluster"},
		"a kubeconfig that is not there":      {[]string{"demo", "--yes", "--kubeconfig", "nonesuch"}, 2, "nonesuch"},
		"no plan at all":                      {append([]string{"plan", "show", "x"}, client...), 2, "writ plan list"},
		"an unknown output":                   {append([]string{"status", "-o", "xml"}, client...), 2, "-o json"},
		"no trust file":                       {[]string{"ledger", "verify", s.in.Verify}, 2, "--trust"},
		"a directory that is in use":          {[]string{"init", s.in.Dir, "--kubeconfig", s.Kubeconfig, "--services", filepath.Join(s.in.Dir, "catalog-info.yaml")}, 1, "name a new directory"},
	} {
		r := s.run(t, s.dir, c.args...)
		lines := strings.Split(strings.TrimSpace(r.err), "\n")
		sentences, hints := 0, 0
		for _, l := range lines {
			switch {
			case strings.HasPrefix(l, "writ: "):
				sentences++
			case strings.HasPrefix(l, "hint: "):
				hints++
			}
		}
		if r.code != c.code || sentences != 1 || !strings.Contains(r.err, c.say) {
			t.Errorf("%s: status %d, want %d with one sentence that says %q:\n%s%s", name, r.code, c.code, c.say, r.out, r.err)
		}
		if hints != 1 {
			t.Errorf("%s: %d hints:\n%s", name, hints, r.err)
		}
	}
	if after := len(s.entries(t)); after != before {
		t.Errorf("%d entries were added", after-before)
	}
	if found, err := os.ReadDir(s.in.Dir); err != nil || len(found) == 0 {
		t.Error(err)
	}
}
