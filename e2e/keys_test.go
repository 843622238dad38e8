package e2e_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// TestControlAndRunnerKeysRotateUnderRunningProcesses replaces the keys by which control plane and runner sign and are
// known: repairs run before, between and after the steps, and all of the ledger verifies at the end, old entries too.
func TestControlAndRunnerKeysRotateUnderRunningProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "before", "between", "after")
	file, owner, auditors := filepath.Join(s.in.Dir, "trust.json"), filepath.Join(s.in.Dir, "keys", "owner.pem"), filepath.Join(s.in.Dir, "verify.json")
	rotate := func(which, step string, more ...string) result {
		t.Helper()
		got := s.run(t, s.dir, append([]string{"keys", "rotate", step, "--key", which}, more...)...)
		if got.code != 0 {
			t.Fatalf("%s of %s: status %d: %s%s", step, which, got.code, got.out, got.err)
		}
		return got
	}
	var runs []writ.RunID
	repaired := func(service string) {
		t.Helper()
		x := s.broken(t, service).diagnosed()
		r := x.ended(x.rollback().Plan, writ.RunSucceeded)
		x.dead(r.ID)
		runs = append(runs, r.ID)
	}
	repaired("before")

	told := rotate("control", "announce", "-c", s.in.Server, "--trust", file, "--owner", owner, "--verify", auditors)
	next := regexp.MustCompile(`next_key: (sha256:[0-9a-f]{64})`).FindStringSubmatch(told.out)
	if next == nil {
		t.Fatalf("%s", told.out)
	}
	insert := func(file, before, line string) {
		t.Helper()
		text, at := string(read(t, file)), regexp.MustCompile(before)
		if len(at.FindAllString(text, -1)) != 1 {
			t.Fatalf("%q is not once in %s:\n%s", before, file, text)
		}
		write(t, file, []byte(at.ReplaceAllString(text, line+"$0")))
	}
	insert(s.in.Runner, `(?m)^  key: "?sha256:`, "  next_key: "+next[1]+"\n")
	insert(s.in.Signer, `(?m)^server: "?sha256:`, "next_server: "+next[1]+"\n")

	rotate("runner", "announce", "-c", s.in.Runner, "--verify", auditors)
	rotate("runner", "switch", "-c", s.in.Runner)
	s.procs["runner"].end(t)
	s.procs["signer"].end(t)
	s.startSigner()
	s.startRunner()
	s.awaitRunner()
	rotate("runner", "retire", "-c", s.in.Runner)
	repaired("between")

	rotate("control", "switch", "-c", s.in.Server, "--trust", file)
	s.procs["server"].end(t)
	s.startServer()
	s.awaitRunner()
	repaired("after")
	s.verified(t)
	for _, run := range runs { // each receipt is verified by the key of its time
		if got := s.wantCLI(t, 0, you, "run", "receipt", string(run), "--trust", auditors); !strings.Contains(got.out, "outcome    applied") || !strings.Contains(got.out, "✔ signed by the key of its runner") {
			t.Errorf("%s%s", got.out, got.err)
		}
		if got := s.wantCLI(t, 0, you, "run", "receipt", string(run), "-o", "dsse"); !strings.Contains(got.out, `"payloadType":"application/vnd.in-toto+json"`) {
			t.Errorf("%s", got.out)
		}
	}
}
