package testbed

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A Prometheus is a real Prometheus server of a test, with its data in a directory that goes with the test.
type Prometheus struct {
	URL string
}

// StartPrometheus starts a server that scrapes these addresses every 200 ms. It skips the test where none is installed.
func StartPrometheus(t testing.TB, targets ...string) Prometheus {
	t.Helper()
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus is installed; ./test installs it")
	}
	dir := t.TempDir()
	config := "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs:\n- job_name: test\n  static_configs:\n  - targets:\n"
	for _, a := range targets {
		config += fmt.Sprintf("    - %q\n", a)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for {
		ports, err := freePorts(1)
		if err != nil {
			t.Fatal(err)
		}
		at := fmt.Sprintf("127.0.0.1:%d", ports[0])
		p, err := launch("prometheus", filepath.Join(dir, "log"), bin, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+at)
		if err != nil {
			t.Fatal(err)
		}
		err = p.ready(t.Context(), func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/-/ready", nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("it answers %d", res.StatusCode)
			}
			return nil
		})
		if err == nil {
			t.Cleanup(p.stop)
			return Prometheus{"http://" + at}
		}
		p.stop()
		if !portTaken(err) {
			t.Fatal(err)
		}
	}
}
