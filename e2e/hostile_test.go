package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/policies"
)

// TestI12AStolenServerMovesNothingThatNeedsAPerson gives an attacker the control plane: its keys, its database, its
// configuration and the program. The runner is left alone.
func TestI12AStolenServerMovesNothingThatNeedsAPerson(t *testing.T) {
	t.Parallel()
	ceiling := setup.DevCeiling
	ceiling.MaxPermille = 300
	s := prepare(t, threeProcesses, &ceiling, "policy", "roster", "owner", "radius", "playbook", "replay")
	s.start()
	replay := s.broken(t, "replay").diagnosed()
	done := replay.ended(replay.rollback().Plan, writ.RunSucceeded)
	replay.dead(done.ID)

	s.procs["server"].kill()
	s.lawless()
	s.startServer()
	s.awaitRunner()
	t.Run("a policy that asks nobody", func(t *testing.T) {
		t.Run("for tier 2", func(t *testing.T) {
			t.Parallel()
			x := s.healthy(t, "policy").diagnosed()
			x.refused(x.asks("scale-workload", map[string]any{"namespace": x.ns, "name": deployment, "replicas": 5}, writ.PlanGranted), writ.ReasonApprovalQuorum)
		})
		t.Run("for tier 1, where the worst within reach then asks nobody either", func(t *testing.T) {
			t.Parallel()
			x := s.broken(t, "radius")
			x.diagnosed()
			id, _ := x.agent(t, diagnoser).observe(t, x.incident, kubernetes.ListPods, x.workload())
			x.evidence = append(x.evidence, id)
			pods := x.pods()
			plan := x.asks("delete-stuck-pod", map[string]any{"kind": "deployment", "namespace": x.ns, "name": deployment, "pod": pods[0]}, writ.PlanGranted)
			x.refused(plan, writ.ReasonApprovalQuorum) // the plan counts as of the tier that it could reach; e2e/crash tries the ceiling itself
			if now := x.pods(); strings.Join(now, " ") != strings.Join(pods, " ") {
				t.Errorf("pods were %v and are %v", pods, now)
			}
		})
		t.Run("with a playbook of the attacker's", func(t *testing.T) {
			t.Parallel()
			x := s.healthy(t, "playbook").diagnosed()
			plan := x.asks("scale-out-workload", map[string]any{"namespace": x.ns, "name": deployment, "replicas": 4}, writ.PlanRefused)
			if !strings.Contains(plan.text, string(writ.ReasonPlaybookUnpinned)) { // the runner does not even plan it
				t.Errorf("%s", plan.text)
			}
			x.wantWrites(0)
		})
	})

	s.procs["server"].kill()
	key := s.roster()
	s.startServer()
	s.awaitRunner()
	t.Run("a roster of the attacker's", func(t *testing.T) {
		t.Run("with the attacker's key in a person's name", func(t *testing.T) {
			t.Parallel()
			x := s.healthy(t, "roster").diagnosed()
			plan := x.scale(5)
			digest := digestIn(t, s.wantCLI(t, 8, you, "plan", "show", string(plan.Plan)).out)
			s.wantCLI(t, 0, you, "approve", string(plan.Plan), "--digest", digest, "--key", key)
			x.refused(plan, writ.ReasonApproverUnknown)
		})
		t.Run("with the human behind the agent as its approver", func(t *testing.T) {
			t.Parallel()
			x := s.healthy(t, "owner").diagnosed()
			plan := x.scale(5)
			digest := digestIn(t, s.wantCLI(t, 8, rob, "plan", "show", string(plan.Plan)).out)
			s.wantCLI(t, 0, rob, "approve", string(plan.Plan), "--digest", digest)
			x.refused(plan, writ.ReasonApproverConflict)
		})
	})

	s.procs["server"].kill()
	s.rewind(done)
	s.startServer()
	s.awaitRunner()
	t.Run("a database in which a finished run waits for its runner", func(t *testing.T) {
		replay.t = t
		replay.handedOutAgain()
		replay.wantWrites(1)
		replay.nothingLeft(strings.ToLower(string(done.ID)))
		if n := count(s.entries(t), writ.EntryStepIntent); n != 1 {
			t.Errorf("%d intents are in the ledger", n)
		}
	})
}

// refused demands that the runner refused a plan that the server had granted, and that nothing was written.
func (x *scene) refused(plan answer, want writ.Reason) {
	x.t.Helper()
	before := x.now().Generation
	r := x.ended(plan.Plan, writ.RunRefused)
	if r.Reason != want || len(r.Leases) != 0 {
		x.t.Errorf("refused for %s with %d leases, want %s and none", r.Reason, len(r.Leases), want)
	}
	x.wantWrites(0)
	x.nothingLeft(strings.ToLower(string(r.ID)))
	if after := x.now().Generation; after != before {
		x.t.Errorf("the Deployment was changed: generation %d, was %d", after, before)
	}
}

// lawless gives the server a policy without limits and requirements, and another content for a playbook.
func (s *site) lawless() {
	s.t.Helper()
	dir := filepath.Join(s.dir, "lawless")
	must(s.t, fs.WalkDir(policies.Dev(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(name, "grants/") && strings.Contains(name, "/") {
			return err
		}
		b, err := fs.ReadFile(policies.Dev(), name)
		must(s.t, err)
		must(s.t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		write(s.t, filepath.Join(dir, name), b)
		return nil
	}))
	s.edit(func(c *config.Server) { c.Policies = dir })
	file := filepath.Join(s.in.Dir, "playbooks", "scale-out-workload.yaml")
	write(s.t, file, []byte(strings.Replace(string(read(s.t, file)), "max: 20", "max: 400", 1)))
}

// roster gives the server the shipped policy again, and a roster in which the attacker's key is yours and nobody answers
// for the repairing agent. It returns the key's file.
func (s *site) roster() string {
	s.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(s.t, err)
	block, err := ssh.MarshalPrivateKey(private, "attacker")
	must(s.t, err)
	line, err := ssh.NewPublicKey(public)
	must(s.t, err)
	s.edit(func(c *config.Server) {
		c.Policies = ""
		for i, a := range c.Approvers {
			if a.Sub == you {
				c.Approvers[i].Keys = []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line)))}
			}
		}
		for i, a := range c.Agents {
			if a.Name == repairer {
				c.Agents[i].Owner.Sub = "nobody"
			}
		}
	})
	file := filepath.Join(s.dir, "attacker_ed25519")
	write(s.t, file, pem.EncodeToMemory(block))
	return file
}
