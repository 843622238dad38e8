package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// TestGrantKeysRotateUnderRunningProcesses rotates the key that signs grants: repairs run before, between and after the
// steps, the runner is never restarted, and everything verifies.
func TestGrantKeysRotateUnderRunningProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "before", "between", "after")
	file, owner := filepath.Join(s.in.Dir, "trust.json"), filepath.Join(s.in.Dir, "keys", "owner.pem")
	keys := func(code int, step string) result {
		t.Helper()
		args := []string{"keys", "rotate", step, "-c", s.in.Server, "--trust", file}
		if step != "switch" {
			args = append(args, "--owner", owner)
		}
		got := s.run(t, s.dir, args...)
		if got.code != code {
			t.Fatalf("%s: status %d, want %d: %s%s", step, got.code, code, got.out, got.err)
		}
		return got
	}
	repaired := func(service string) {
		t.Helper()
		x := s.broken(t, service).diagnosed()
		r := x.ended(x.rollback().Plan, writ.RunSucceeded)
		x.dead(r.ID)
	}
	repaired("before")
	keys(1, "switch")
	keys(0, "announce")
	repaired("between")
	keys(0, "switch")
	s.procs["server"].end(t)
	s.startServer()
	s.awaitRunner()
	repaired("after")
	if got := keys(1, "retire"); !strings.Contains(got.err, "may be alive for another") {
		t.Errorf("%s", got.err)
	}
	list := s.run(t, s.dir, "keys", "list", "-c", s.in.Server)
	if list.code != 0 || !strings.Contains(list.out, "previous") || !strings.Contains(list.out, "current") {
		t.Errorf("%s%s", list.out, list.err)
	}
	s.verified(t)
}
