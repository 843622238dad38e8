package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/seal"
	"github.com/writ-dev/writ/policies"
)

// fleetSet is shippedSet about this fleet's playbook.
func (f *fleet) fleetSet(dir string, version int64, owner ed25519.PrivateKey, replace ...string) map[string][]byte {
	f.t.Helper()
	return shippedSet(f.t, dir, "put-back", version, owner, replace...)
}

// shippedSet writes the shipped set, whose tests are about a playbook of the storefront, into a directory, signed by its owner as
// a version.
func shippedSet(t testing.TB, dir, playbook string, version int64, owner ed25519.PrivateKey, replace ...string) map[string][]byte {
	t.Helper()
	writeSet(t, dir, policies.Default(), playbook, replace...)
	sources, _, err := policy.ReadSources(os.DirFS(dir))
	must(t, err)
	sig, err := seal.Sign(sources, version, owner)
	must(t, err)
	write(t, filepath.Join(dir, policy.FileSignature), sig)
	return sources
}

// writeSet writes a set that ships with Writ into a directory, about a playbook of the storefront, with texts replaced.
func writeSet(t testing.TB, dir string, shipped fs.FS, playbook string, replace ...string) {
	t.Helper()
	names := strings.NewReplacer(append([]string{
		"rollback-deployment", playbook, "kubernetes/workload.rollback", "httpapi/release.set", "planes: [kubernetes]", "planes: [httpapi]",
		"cordon-node", playbook, "kubernetes/node.cordon", "httpapi/release.set",
	}, replace...)...)
	must(t, fs.WalkDir(shipped, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(shipped, name)
		must(t, err)
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		write(t, filepath.Join(dir, name), []byte(names.Replace(string(b))))
		return nil
	}))
}

// metrics reads those of one server.
func (f *fleet) metrics(i int) string {
	f.t.Helper()
	resp, err := http.Get(f.servers[i].admin + "/metrics")
	must(f.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(f.t, err)
	return string(b)
}

// Two servers share a set that its owner signed. Whatever becomes of the directory, at any time and after a restart, they
// decide by the set in force, and say aloud what is wrong: no question of those that go on meanwhile is without a policy.
func TestPitfall13ServersKeepTheSetInForceWhateverTheDirectoryHolds(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	key, err := pin.Create(filepath.Join(f.in.Dir, "keys", "policy.pem"), rand.Reader)
	must(t, err)
	public, err := pin.MarshalPublic(key.Public().(ed25519.PublicKey))
	must(t, err)
	write(t, filepath.Join(f.in.Dir, "keys", "policy.pub"), public)
	dir := filepath.Join(f.in.Dir, "policies")
	f.fleetSet(dir, 1, key)
	for i, r := range f.servers {
		install.EditServer(t, r.file, r.file, func(c *config.Server) {
			c.Policies, c.PolicyOwners = "policies", &config.PolicyOwners{Keys: []string{"keys/policy.pub"}, Threshold: 1, Approvers: c.Approvers[0].Groups[0]}
		})
		f.servers[i].kill()
	}
	for i := range f.servers {
		f.startServer(i)
	}
	for i := range f.servers {
		f.ready(i)
	}
	f.broken(0)
	stop := make(chan struct{})
	var asked, wrong atomic.Int64
	var all sync.WaitGroup
	for i := range f.servers {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				st, err := f.people[i].Status(t.Context())
				asked.Add(1)
				if err == nil && (st.Policy.IsZero() || st.PolicyVersion != 1) {
					wrong.Add(1)
				}
			}
		})
	}
	write(t, filepath.Join(dir, "limits", "broken.cedar"), []byte("forbid ("))
	must(t, f.servers[0].cmd.Process.Signal(syscall.SIGHUP)) // one is told, the other looks by itself
	for i := range f.servers {
		await(t, "the alarm", func() (bool, string) {
			st, err := f.people[i].Status(t.Context())
			return err == nil && st.PolicyProblem != "" && st.PolicyVersion == 1, "no problem is told"
		})
		if m := f.metrics(i); !strings.Contains(m, "\nwrit_policy_refused 1") || !strings.Contains(m, "\nwrit_policy_version 1") {
			t.Errorf("server %d does not measure it", i)
		}
	}
	close(stop)
	all.Wait()
	if wrong.Load() > 0 || asked.Load() == 0 {
		t.Errorf("%d of %d questions found another set, or none", wrong.Load(), asked.Load())
	}
	// A restart finds the set in force in the state.
	f.servers[1].kill()
	f.startServer(1)
	f.ready(1)
	await(t, "the alarm after the restart", func() (bool, string) {
		st, err := f.people[1].Status(t.Context())
		return err == nil && st.PolicyProblem != "" && st.PolicyVersion == 1, "no problem is told"
	})
	must(t, os.Remove(filepath.Join(dir, "limits", "broken.cedar")))
	for i := range f.servers {
		await(t, "the end of the alarm", func() (bool, string) {
			st, err := f.people[i].Status(t.Context())
			return err == nil && st.PolicyProblem == "", st.PolicyProblem
		})
	}
	// A later version in the directory is approved by nobody.
	f.fleetSet(dir, 2, key, "raises: []", "raises: [ ]")
	await(t, "the refusal of version 2", func() (bool, string) {
		st, err := f.people[0].Status(t.Context())
		return err == nil && strings.Contains(st.PolicyProblem, "approved by nobody") && st.PolicyVersion == 1, st.PolicyProblem
	})
	// It can be proposed; a freeze needs no such thing.
	sources, sig, err := policy.ReadSources(os.DirFS(dir))
	must(t, err)
	change, err := f.people[1].ProposePolicy(t.Context(), writ.PolicyFiles{Files: sources, Signature: sig}, "")
	must(t, err)
	if change.State != writ.PolicyWaiting || change.Change.Next.Version != 2 {
		t.Errorf("%+v", change)
	}
	if _, err := f.people[0].WithdrawPolicy(t.Context(), change.ID); err != nil {
		t.Error(err)
	}
}
