package server_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/seal"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/policies"
)

// adopted keeps what a control plane was told, and refuses versions as one does.
type adopted struct {
	sets    []control.PolicySet
	problem string
}

func (a *adopted) AdoptPolicy(_ context.Context, s control.PolicySet) error {
	if n := len(a.sets); n > 0 && s.Version < a.sets[n-1].Version {
		return fmt.Errorf("%w: version %d is below", writ.ErrConflict, s.Version)
	}
	a.sets = append(a.sets, s)
	return nil
}

func (a *adopted) PolicyProblem(why string) { a.problem = why }

func words() policy.Vocabulary {
	return policy.Vocabulary{
		Planes: []string{"kubernetes"}, Operations: []writ.OperationName{"kubernetes/workload.rollback"},
		Playbooks: []policy.Playbook{{Name: "rollback-deployment", Plane: "kubernetes"}},
	}
}

// directory is the default set in a directory of its own.
func directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, policies.Default()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func ownerKey(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func ownerKeys(n ...byte) (out []ed25519.PublicKey) {
	for _, x := range n {
		out = append(out, ownerKey(x).Public().(ed25519.PublicKey))
	}
	return out
}

// signDir signs what is in the directory.
func signDir(t *testing.T, dir string, version int64, by ...byte) {
	t.Helper()
	sources, _, err := policy.ReadSources(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	out, err := seal.Sign(sources, version, ownerKey(by[0]))
	for _, n := range by[1:] {
		if err == nil {
			out, err = seal.AddSignature(out, sources, ownerKey(n))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, policy.FileSignature, string(out))
}

const limit = `@id("limits/x") @reason("Planted.") forbid (principal, action in Action::"mutate", resource is Service) when { context.tainted };`

// Pitfall 13: whatever is wrong with the next set, the one before it stays in force and it is said aloud; once it is right it
// comes into force.
func TestPitfall13ABrokenSetLeavesTheOneBeforeItInForceAndRaisesAnAlarm(t *testing.T) {
	for name, broken := range map[string]func(dir string){
		"it does not parse":     func(dir string) { write(t, dir, "limits/x.cedar", "forbid (") },
		"it lacks its schema":   func(dir string) { os.Remove(filepath.Join(dir, "schema.cedarschema")) },
		"a file elsewhere":      func(dir string) { write(t, dir, "limits/x.rego", "x") },
		"the directory is gone": func(dir string) { os.Rename(dir, dir+".away") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := directory(t)
			var to adopted
			var log bytes.Buffer
			w, _, err := server.WatchPolicy(dir, words(), 0, nil, &to, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			broken(dir)
			for range 3 {
				w.Look(t.Context(), false)
			}
			if len(to.sets) != 0 || to.problem == "" || strings.Count(log.String(), "was refused") != 1 {
				t.Errorf("%d sets, problem %q, log %s", len(to.sets), to.problem, &log)
			}
			os.RemoveAll(dir)
			if err := os.CopyFS(dir, policies.Default()); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "limits/x.cedar", limit)
			w.Look(t.Context(), false)
			if len(to.sets) != 0 {
				t.Error("a set was taken at the first look, when it may still be being written")
			}
			w.Look(t.Context(), false)
			if len(to.sets) != 1 || to.problem != "" {
				t.Errorf("%d sets, problem %q", len(to.sets), to.problem)
			}
		})
	}
}

func TestASignalDoesNotWaitForASecondLook(t *testing.T) {
	dir := directory(t)
	var to adopted
	w, _, err := server.WatchPolicy(dir, words(), 0, nil, &to, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "limits/x.cedar", limit)
	w.Look(t.Context(), true)
	if len(to.sets) != 1 {
		t.Errorf("%d sets", len(to.sets))
	}
}

// With owners, only a set that enough of them signed comes into force, under the version they gave it.
func TestASetWithOwnersNeedsTheirSignatures(t *testing.T) {
	dir := directory(t)
	var to adopted
	log := slog.New(slog.DiscardHandler)
	if _, _, err := server.WatchPolicy(dir, words(), 2, ownerKeys(1, 2, 3), &to, log); err == nil {
		t.Fatal("an unsigned set was loaded")
	}
	signDir(t, dir, 4, 1)
	if _, _, err := server.WatchPolicy(dir, words(), 2, ownerKeys(1, 2, 3), &to, log); err == nil {
		t.Fatal("a set with one signature was loaded")
	}
	signDir(t, dir, 4, 1, 3)
	w, set, err := server.WatchPolicy(dir, words(), 2, ownerKeys(1, 2, 3), &to, log)
	if err != nil || set.Version != 4 || len(set.Signers) != 2 || set.Manifest.IsZero() {
		t.Fatalf("%+v, %v", set, err)
	}
	write(t, dir, "limits/x.cedar", limit) // after the signing
	w.Look(t.Context(), true)
	if len(to.sets) != 0 || !strings.Contains(to.problem, "not signed") {
		t.Errorf("%d sets, problem %q", len(to.sets), to.problem)
	}
	signDir(t, dir, 5, 2, 3)
	w.Look(t.Context(), true)
	if len(to.sets) != 1 || to.sets[0].Version != 5 || to.problem != "" {
		t.Errorf("%d sets, problem %q", len(to.sets), to.problem)
	}
	signDir(t, dir, 3, 2, 3)
	w.Look(t.Context(), true)
	if len(to.sets) != 1 || !strings.Contains(to.problem, "below") {
		t.Errorf("%d sets, problem %q", len(to.sets), to.problem)
	}
}
