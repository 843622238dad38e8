package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
)

// files are all that each process is given. No key, no database and no state stands in two lists.
var files = map[string][]string{
	"server": {"writ.yaml", "keys/control.pem", "keys/grant.pem", "keys/token.pem", "keys/dispatch.pem", "keys/runner.pub", "catalog-info.yaml", "playbooks", "targets"},
	"runner": {"runner.yaml", "keys/runner.pem", "keys/owner.pub", "trust.json"},
	"signer": {"signer.yaml", "keys/log.pem", "keys/signer.pem", "signer.state"},
}

// TestThreeProcessesShareNoFile gives each process a directory with its own files alone, and repairs a Deployment. What
// meets, meets over TLS.
func TestThreeProcessesShareNoFile(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses, nil, "apart")
	installed := s.in.Dir
	for name, list := range files {
		for _, f := range list {
			from, to := filepath.Join(installed, f), filepath.Join(s.dir, name, f)
			must(t, os.MkdirAll(filepath.Dir(to), 0o700))
			must(t, os.Rename(from, to)) // gone from where it was
		}
	}
	// People keep their tokens, keys and the trust file for verification: nothing else is left.
	var left []string
	for _, pattern := range []string{"*.yaml", "*.db", "*.state", "*.json", "keys/*.pem"} {
		found, err := filepath.Glob(filepath.Join(installed, pattern))
		must(t, err)
		for _, f := range found {
			left = append(left, filepath.Base(f))
		}
	}
	slices.Sort(left)
	if want := []string{"cli-ana.yaml", "cli-rob.yaml", "cli-you.yaml", "owner.pem", "verify.json"}; !slices.Equal(left, want) {
		t.Fatalf("left are %v, want %v", left, want)
	}
	must(t, os.Remove(filepath.Join(installed, "keys", "owner.pem"))) // the owner keeps it elsewhere
	s.in.Server, s.in.Runner, s.in.Signer = filepath.Join(s.dir, "server", "writ.yaml"), filepath.Join(s.dir, "runner", "runner.yaml"), filepath.Join(s.dir, "signer", "signer.yaml")
	s.start()
	x := s.broken(t, "apart").diagnosed()
	r := x.ended(x.rollback().Plan, writ.RunSucceeded)
	x.fixed()
	x.dead(r.ID)
	s.verified(t)
	for name, list := range map[string][]string{"server": {"data"}, "runner": {"runner.db"}, "signer": {"signer.state"}} {
		for _, f := range list {
			if _, err := os.Stat(filepath.Join(s.dir, name, f)); err != nil {
				t.Errorf("%s keeps its state elsewhere: %v", name, err)
			}
		}
	}
}
