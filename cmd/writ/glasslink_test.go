package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

// Whoever has passkeys only is sent to the page, with what they typed filled in; whoever names a key signs here.
func TestBreakGlassOpenPrintsThePageForWhoHasPasskeysOnly(t *testing.T) {
	in, server := approvers(t)
	text, err := os.ReadFile(in.Clients["al"])
	if err != nil {
		t.Fatal(err)
	}
	keyless := filepath.Join(filepath.Dir(in.Clients["al"]), "keyless.yaml")
	if err := os.WriteFile(keyless, regexp.MustCompile(`(?m)^ssh_key:.*\n`).ReplaceAll(text, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	writ := func(done bool, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(t.Context(), &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, args); (got == exitDone) != done {
			t.Fatalf("%v: exit %d: %s%s", args, got, out.String(), errs.String())
		}
		return out.String(), errs.String()
	}
	open := []string{"breakglass", "open", "emergency-restart", "--incident", "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB", "--param", "kind=deployment", "--param", "name=api&x=1", "--justification", "a secret of ours", "--config", keyless}
	if _, says := writ(false, append(open, "--param", "odd")...); strings.Contains(says, "https://approve") {
		t.Error(says)
	}
	token, err := os.ReadFile(in.Tokens["al"])
	if err != nil {
		t.Fatal(err)
	}
	al, err := client.New(server, client.Config{Token: client.Static(strings.TrimSpace(string(token)))})
	if err != nil {
		t.Fatal(err)
	}
	ask, err := al.BeginPasskey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(ask.Options.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	p, err := al.AddPasskey(t.Context(), softkey.New(t, -8, "https://approve.writ.test", "approve.writ.test").Create(t, challenge))
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := writ(false, append(open, "-o", "json")...); strings.Contains(out, "ask_at") {
		t.Errorf("a passkey that nobody confirmed: %s", out)
	}
	writ(true, "approver", "confirm", string(p.ID), "--fingerprint", p.Fingerprint, "--config", in.Clients["bo"])
	out, says := writ(true, open...)
	u, err := url.Parse(strings.TrimSpace(out))
	if err != nil || u.Host != "approve.writ.test" || u.Path != "/breakglass" || u.Query().Get("incident") != "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB" || u.Query().Get("p.name") != "api&x=1" || u.Query().Get("p.kind") != "deployment" {
		t.Errorf("%q %v", out, err)
	}
	if strings.Contains(out, "secret") || !strings.Contains(says, "browser") {
		t.Errorf("%q %q", out, says)
	}
	var drill map[string]string
	out, _ = writ(true, "breakglass", "drill", "emergency-restart", "--service", "checkout", "--config", keyless, "-o", "json")
	if json.Unmarshal([]byte(out), &drill) != nil || !strings.Contains(drill["ask_at"], "incident=drill") || !strings.Contains(drill["ask_at"], "service=checkout") {
		t.Error(out)
	}
	if _, says := writ(false, append(open[:len(open)-1:len(open)-1], in.Clients["al"])...); strings.Contains(says, "approve.writ.test") { // who has a key signs here, for an incident that there is
		t.Error(says)
	}
}
