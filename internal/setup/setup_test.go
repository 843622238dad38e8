package setup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/verify"
)

const services = `kind: Component
metadata:
  name: checkout
  annotations: {writ.dev/environment: prod, writ.dev/locations: kubernetes://here/shop/deployment/checkout}
spec: {owner: payments}
`

func options() setup.Options {
	return setup.Options{
		Services: []byte(services), Sources: []string{"alertmanager"}, Now: time.Now(), Admin: "127.0.0.1:8422",
		Targets: []setup.Target{{Location: "kubernetes://here", Kubeconfig: "/nowhere", Catalogue: kubernetes.Catalogue()}},
		People:  []setup.Person{{Sub: "ana", Groups: []string{"payments", "payments-oncall"}}, {Sub: "bo", Groups: []string{"payments"}}},
		Agents:  []setup.Agent{{Name: "repair", Team: "payments", Owner: "bo", Roles: []string{"repair"}}},
	}
}

func write(t *testing.T) setup.Installation {
	t.Helper()
	in, err := setup.Write(filepath.Join(t.TempDir(), "writ"), options())
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// edit changes one text of a file into another and returns the file.
func edit(t *testing.T, file, from, to string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.Replace(string(b), from, to, 1)
	if out == string(b) {
		t.Fatalf("%q is not in %s:\n%s", from, file, b)
	}
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWhatIsWrittenIsAWorkingInstallation(t *testing.T) {
	in := write(t)
	c, err := config.LoadServer(in.Server, true)
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range server.Examine(t.Context(), c, true) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	r, err := config.LoadRunner(in.Runner)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.CheckTrust(r, time.Now()); err != nil {
		t.Errorf("trust file: %v", err)
	}
	if _, err := config.LoadSigner(in.Signer); err != nil {
		t.Error(err)
	}
	for person, file := range in.Clients {
		if _, err := config.LoadClient(file); err != nil {
			t.Errorf("%s: %v", person, err)
		}
	}
	b, err := os.ReadFile(in.Verify)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.ParseTrust(b); err != nil {
		t.Errorf("the auditors' trust file: %v", err)
	}
}

func TestI20KeysAndTokensAreForTheirOwnerOnly(t *testing.T) {
	in := write(t)
	secret := 0
	err := filepath.WalkDir(in.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(b), "PRIVATE KEY") || strings.HasPrefix(string(b), "writdev_") {
			secret++
			if info, _ := d.Info(); info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %s", path, info.Mode())
			}
		}
		return nil
	})
	if err != nil || secret < 8 {
		t.Errorf("%d secrets were found, %v", secret, err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	in := write(t)
	before, _ := os.ReadFile(in.Server)
	if _, err := setup.Write(in.Dir, options()); !errors.Is(err, writ.ErrConflict) || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second writing: %v", err)
	}
	if after, _ := os.ReadFile(in.Server); string(after) != string(before) {
		t.Error("the configuration was changed")
	}
}

func TestWrongConfigurationIsOneSentenceThatNamesTheKey(t *testing.T) {
	for name, c := range map[string]struct{ from, to, say string }{
		"unknown key":                   {"origin: ", "orgin: ", "orgin"},
		"wrong type":                    {"plan_life: \"15m0s\"", "plan_life: soon", "15m"},
		"a target's credential":         {"origin: ", "kubeconfig: /root/.kube/config\norigin: ", "no target credential"},
		"no address":                    {"listen: 127.0.0.1:8420", "listen: here", "listen"},
		"admin for everybody":           {"admin_listen: 127.0.0.1:8422", "admin_listen: 0.0.0.0:8422", "loopback"},
		"plain HTTP to another machine": {"external_url: http://127.0.0.1:8420", "external_url: http://writ.example", "https"},
		"a runner nobody listed":        {"location: kubernetes://here", "location: kubernetes://here/shop", "plane"},
		"a principal of no kind":        {"kind: agent", "kind: robot", "kind"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.LoadServer(edit(t, write(t).Server, c.from, c.to), true)
			if !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := config.LoadServer(write(t).Server, false); !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), "dev") {
		t.Errorf("generated keys without --dev: %v", err)
	}
	for name, c := range map[string]struct{ from, to, say string }{
		"a database":          {"journal: ", "database: postgres://x\njournal: ", "no database"},
		"a grant-signing key": {"journal: ", "grant_key: grant.pem\njournal: ", "signs no grants"},
		"no owner":            {"threshold: 1", "threshold: 0", "threshold"},
		"an unknown plane":    {"location: kubernetes://here", "location: mainframe://here", "planes are"},
	} {
		t.Run("runner: "+name, func(t *testing.T) {
			_, err := config.LoadRunner(edit(t, write(t).Runner, c.from, c.to))
			if !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestI12ATrustFileThatItsOwnerDidNotSignIsRefused(t *testing.T) {
	in := write(t)
	other := write(t)
	r, err := config.LoadRunner(in.Runner)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(other.Dir, "trust.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in.Dir, "trust.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.CheckTrust(r, time.Now()); writ.ReasonOf(err) != writ.ReasonTrustInvalid {
		t.Errorf("another owner's trust file: %v", err)
	}
}
