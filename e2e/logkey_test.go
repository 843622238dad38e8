package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/testbed"
)

// TestLogAndDispatchKeysRotateUnderRunningProcesses replaces the key that signs the ledger and the one that presents grants. Signer
// and switch die in the middle; repairs run between the steps, and the runner is never restarted. An export over all of it
// verifies for auditors who know the old key alone, and for those whose file was brought up to date; what the old key signs
// afterwards does not.
func TestLogAndDispatchKeysRotateUnderRunningProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "before", "between", "after")
	file, owner, auditors := filepath.Join(s.in.Dir, "trust.json"), filepath.Join(s.in.Dir, "keys", "owner.pem"), s.in.Verify
	rotate := func(code int, key, step string, more ...string) result {
		t.Helper()
		args := []string{"keys", "rotate", step, "--key", key, "-c", s.in.Server}
		if key == "log" {
			args = []string{"keys", "rotate", step, "--key", key, "-c", s.in.Signer, "--trust", file, "--verify", auditors}
		}
		got := s.run(t, s.dir, append(args, more...)...)
		if got.code != code {
			t.Fatalf("%s of %s: status %d, want %d: %s%s", step, key, got.code, code, got.out, got.err)
		}
		return got
	}
	repaired := func(service string) {
		t.Helper()
		x := s.broken(t, service).diagnosed()
		r := x.ended(x.rollback().Plan, writ.RunSucceeded)
		x.dead(r.ID)
	}
	restart := func() {
		t.Helper()
		s.procs["server"].end(t)
		s.startServer()
		s.awaitRunner()
	}
	export := filepath.Join(s.dir, "ledger.json")
	verdict := func(trust, bundle string) (r result, report struct {
		Altered   struct{ Verdict string } `json:"nothing_altered"`
		Authority struct{ Verdict string } `json:"authority"`
		Rotations []struct{ New string }   `json:"rotations"`
		LogKey    string                   `json:"log_key"`
	}) {
		t.Helper()
		r = s.run(t, s.dir, "ledger", "verify", bundle, "--trust", trust, "-o", "json")
		must(t, json.Unmarshal([]byte(r.out), &report))
		return r, report
	}
	past := filepath.Join(s.dir, "verify-before.json")
	write(t, past, read(t, auditors))
	logKey := filepath.Join(s.in.Dir, "keys", "log.pem")
	stolen, err := pin.Load(logKey)
	must(t, err)

	repaired("before")
	rotate(1, "log", "switch") // nobody announced it
	rotate(0, "dispatch", "announce")
	for range 2 {
		rotate(0, "log", "announce", "--owner", owner)
	}
	s.edit(func(c *config.Server) {
		c.Signer.Succession, c.Signer.Auditors = filepath.Join(s.in.Dir, "keys", "log.succession.json"), auditors
	})
	s.procs["signer"].kill()
	s.startSigner()
	restart()
	testbed.Await(t, "the entry that tells of the new key", func(context.Context) (bool, string, error) {
		for _, e := range s.entries(t) {
			if e.Record.Kind == writ.EntryKeyRotate {
				return true, "", nil
			}
		}
		return false, "no such entry", nil
	})
	repaired("between")

	must(t, os.Rename(logKey, filepath.Join(s.in.Dir, "keys", "log.previous.pem"))) // the switch dies between its two renames
	for range 2 {
		rotate(0, "log", "switch")
	}
	rotate(0, "dispatch", "switch")
	s.procs["signer"].kill()
	s.startSigner()
	restart()
	list := s.run(t, s.dir, "keys", "list", "-c", s.in.Server, "--signer", s.in.Signer)
	for _, want := range []string{"log       previous", "log       current", "dispatch  previous", "dispatch  current", "0 days"} {
		if list.code != 0 || !strings.Contains(list.out, want) {
			t.Errorf("no %q in %s%s", want, list.out, list.err)
		}
	}
	s.wantCLI(t, 0, you, "ledger", "export", "-f", export)
	for range 2 {
		rotate(0, "log", "retire", "--owner", owner, "--export", export)
	}
	rotate(1, "dispatch", "retire") // plans that name the old key may be open

	_, report := verdict(past, export)
	if report.Altered.Verdict != "ok" || report.Authority.Verdict != "ok" || len(report.Rotations) != 1 || report.LogKey != report.Rotations[0].New {
		t.Fatalf("an auditor who knows the old key alone: %+v", report)
	}
	s.edit(func(c *config.Server) { c.Signer.VKey = report.LogKey })
	s.procs["signer"].end(t)
	s.startSigner()
	restart()
	repaired("after")
	s.verified(t)

	// Whoever stole the old key signs the ledger without the entry that ended it, and with it.
	s.wantCLI(t, 0, you, "ledger", "export", "-f", export)
	b, err := ledger.ParseBundle(read(t, export))
	must(t, err)
	if _, report := verdict(past, export); report.Altered.Verdict != "ok" || report.Authority.Verdict != "ok" {
		t.Errorf("the new key alone has signed, and an auditor who knows the old one: %+v", report)
	}
	var leaves [][]byte
	for _, e := range b.Entries {
		opened, err := ledger.Open(e.Leaf)
		must(t, err)
		if opened.Record.Kind != writ.EntryKeyRotate {
			leaves = append(leaves, e.Leaf)
		}
	}
	var edge ledger.Edge
	for _, leaf := range leaves {
		edge.Append(ledger.LeafHash(leaf))
	}
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: b.Origin, Size: edge.Head().Size, Root: edge.Head().Root}, stolen)
	must(t, err)
	forged, err := ledger.Export(b.Origin, note, leaves).Bytes()
	must(t, err)
	write(t, export, forged)
	if r, report := verdict(auditors, export); r.code == 0 || report.Altered.Verdict != "violated" {
		t.Errorf("the stolen key's history was believed: %d, %+v", r.code, report)
	}
}
