package crash_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
)

// TestHealthSaysWhichReplicasClockIsOff runs two replicas on one PostgreSQL, one of them with a clock that is ahead. Each of
// them, asked by a person, says that it is this one and by how much, and that the other is right: in the API, on the
// command line and on the page. When the clock is right again, all of them say so.
func TestHealthSaysWhichReplicasClockIsOff(t *testing.T) {
	t.Parallel()
	const ahead = 90 * time.Second
	s := prepare(t, threeProcesses, onPostgres)
	r := s.addReplica("server-2")
	must(t, r.process.write("clock "+ahead.String()+"\n"))
	s.start()
	must(t, r.process.start())
	await(t, "the second replica", func() (bool, string) { return healthy(r.admin) })

	// No replica's clock is compared before its first sweep.
	await(t, "both clocks", func() (bool, string) {
		st, err := s.person.Status(t.Context())
		return err == nil && len(st.Replicas) == 2, fmt.Sprint(st.Replicas, err)
	})
	for i, who := range []*client.Client{s.person, r.person} {
		st, err := who.Status(t.Context())
		must(t, err)
		if len(st.Replicas) != 2 {
			t.Fatalf("replica %d knows of %+v", i+1, st.Replicas)
		}
		for _, x := range st.Replicas {
			off := x.Clock.Off()
			if x.Self == (i == 1) { // the second one
				off -= ahead
			}
			if within := time.Duration(x.Clock.Within) * time.Millisecond; off.Abs() > within+clockSlack {
				t.Errorf("replica %d says of %s (itself: %v) that its clock is off by %s, within %s", i+1, x.Name, x.Self, x.Clock.Off(), within)
			}
		}
	}

	for i, base := range []string{s.url, r.url} {
		said := s.status(t, base)
		if n := strings.Count(said, "CLOCK of replica"); n != 1 || !strings.Contains(said, "is off by 1m") {
			t.Errorf("writ status at replica %d names %d replicas:\n%s", i+1, n, said)
		}
		if page := s.healthPage(t, base); strings.Count(page, `<b class="state bad">off by `) != 1 || strings.Count(page, "<b>this one</b>") != 1 {
			t.Errorf("/health at replica %d does not say it of one:\n%s", i+1, page)
		}
	}

	// The clock is put right, which the next comparison of that replica tells all of them.
	must(t, r.process.write(""))
	await(t, "the clock to be right", func() (bool, string) {
		st, err := s.person.Status(t.Context())
		for _, x := range st.Replicas {
			if x.Clock.Wrong() {
				return false, fmt.Sprint(x)
			}
		}
		return err == nil && len(st.Replicas) == 2, fmt.Sprint(st.Replicas, err)
	})
	if said := s.status(t, s.url); strings.Contains(said, "CLOCK") {
		t.Errorf("writ status after that:\n%s", said)
	}
}

// clockSlack is what two clocks of one machine, read through two processes, may differ by beyond the error that is told.
const clockSlack = 100 * time.Millisecond

// A replica is another server on the site's database.
type replica struct {
	process    *process
	url, admin string
	person     *client.Client
}

// addReplica configures one more server and does not start it.
func (s *site) addReplica(name string) replica {
	t := s.t
	t.Helper()
	addr := install.Addresses(t, 3)
	file := filepath.Join(filepath.Dir(s.in.Server), name+".yaml")
	install.EditServer(t, s.in.Server, file, func(c *config.Server) {
		c.Listen, c.RunnerListen, c.AdminListen = addr[0], addr[1], addr[2]
	})
	r := replica{process: s.process(name, "serve", "-c", file, "--dev", "--log-level", "warn"), url: "http://" + addr[0], admin: "http://" + addr[2]}
	r.person = install.Client(t, s.in, r.url, you, client.Config{})
	return r
}

func healthy(admin string) (bool, string) {
	resp, err := http.Get(admin + "/readyz")
	if err != nil {
		return false, err.Error()
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK, resp.Status
}

// status is what writ status says to a person at one replica.
func (s *site) status(t *testing.T, base string) string {
	t.Helper()
	config, err := os.ReadFile(s.in.Clients[you])
	must(t, err)
	file := filepath.Join(filepath.Dir(s.in.Clients[you]), "cli-at.yaml")
	must(t, os.WriteFile(file, bytes.ReplaceAll(config, []byte(s.url), []byte(base)), 0o600))
	out, err := exec.CommandContext(t.Context(), binary(t), "status", "--config", file).CombinedOutput()
	if err != nil {
		t.Fatalf("writ status: %v\n%s", err, out)
	}
	return string(out)
}

// healthPage is what a person who has logged in at one replica sees at /health.
func (s *site) healthPage(t *testing.T, base string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	key, err := os.ReadFile(s.in.Tokens[you])
	must(t, err)
	form := url.Values{"key": {strings.TrimSpace(string(key))}, "to": {"/health"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/dev/login", strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := (&http.Client{Jar: jar}).Do(r)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("/health: %s\n%s", resp.Status, b)
	}
	return string(b)
}
