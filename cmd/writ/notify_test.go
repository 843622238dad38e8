package main

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/server/servertest"
)

// told is an installation whose people are told by a local receiver written for this test.
func told(t *testing.T, receiver http.HandlerFunc) (file string) {
	t.Helper()
	r := httptest.NewTLSServer(receiver)
	t.Cleanup(r.Close)
	in := servertest.Install(t)
	b, err := os.ReadFile(in.Server)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, `
notify:
  channels:
    - name: ops
      ca: receiver.pem
      slack: {url_file: slack.url}
  routes:
    - {events: [freeze.lifted], silent: true}
    - {teams: [payments], severity: 2, to: [{channel: ops, wait: 2m}]}
    - to: [{channel: ops}]
`...)
	for name, content := range map[string][]byte{
		in.Server: b, filepath.Join(in.Dir, "slack.url"): []byte(r.URL + "/services/secretpath\n"),
		filepath.Join(in.Dir, "receiver.pem"): pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return in.Server
}

func TestNotifyListsTestsAndExaminesChannels(t *testing.T) {
	var got struct{ Text string }
	answer := http.StatusOK
	file := told(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(b, &got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer)
	})
	code, out, errs := cli(t, "notify", "list", "-c", file, "--dev")
	for _, want := range []string{"channel ops: slack", "freeze.lifted: nobody", "team payments, severity 2 or worse: ops (2m0s)", "anything else: ops (1m0s)"} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("notify list: %d, no %q in %s%s", code, want, out, errs)
		}
	}
	code, out, errs = cli(t, "notify", "test", "ops", "-c", file, "--dev")
	if code != exitDone || !strings.Contains(out, "✔ ops (slack) took the test notice ntc_") || !strings.Contains(got.Text, "TEST notice") {
		t.Errorf("%d %s %s; it got %q", code, out, errs, got.Text)
	}
	answer = http.StatusNotFound
	code, out, errs = cli(t, "notify", "test", "ops", "-c", file, "--dev")
	if code != exitFailed || !strings.Contains(errs, "refused, answer 404") || strings.Contains(out+errs, "secretpath") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	code, _, errs = cli(t, "notify", "test", "opps", "-c", file, "--dev")
	if code != exitUsage || !strings.Contains(errs, "channels are ops") {
		t.Errorf("%d %s", code, errs)
	}
	if _, out, _ = cli(t, "doctor", "-c", file, "--dev"); !strings.Contains(out, "ok    notify channel ops") {
		t.Errorf("doctor: %s", out)
	}
	if err := os.Chmod(filepath.Join(filepath.Dir(file), "slack.url"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, out, _ = cli(t, "doctor", "-c", file, "--dev"); !strings.Contains(out, "wrong notify channel ops") || !strings.Contains(out, "chmod 600") {
		t.Errorf("doctor: %s", out)
	}
}
