package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server/servertest"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/internal/trust"
)

// approvers is a running server with two people of one team, at which passkeys can be enrolled.
func approvers(t *testing.T) (setup.Installation, string) {
	t.Helper()
	in := servertest.Install(t, func(o *setup.Options) {
		o.People = []setup.Person{{Sub: "al", Groups: []string{"payments"}}, {Sub: "bo", Groups: []string{"payments"}}}
	})
	text, err := os.ReadFile(in.Server)
	if err != nil {
		t.Fatal(err)
	}
	for bad, says := range map[string]string{"https://127.0.0.1:9443": "another host", "": "another host"} {
		file := filepath.Join(in.Dir, "bad.yaml")
		if err := os.WriteFile(file, append(bytes.Clone(text), "approve: {origin: \""+bad+"\"}\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.LoadServer(file, true); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := os.WriteFile(in.Server, append(text, "approve: {origin: https://approve.writ.test}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	c, sc := servertest.Load(t, in)
	servertest.Serve(t, c, sc)
	return in, "http://" + c.Listen
}

func TestApproversEnrolConfirmAndHandOverPasskeys(t *testing.T) {
	in, url := approvers(t)
	token, err := os.ReadFile(in.Tokens["al"])
	if err != nil {
		t.Fatal(err)
	}
	al, err := client.New(url, client.Config{Token: client.Static(strings.TrimSpace(string(token)))})
	if err != nil {
		t.Fatal(err)
	}
	k := softkey.New(t, -8, "https://approve.writ.test", "approve.writ.test")
	ask, err := al.BeginPasskey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(ask.Options.Challenge)
	if err != nil || ask.Options.RP.ID != "approve.writ.test" {
		t.Fatalf("%+v %v", ask, err)
	}
	p, err := al.AddPasskey(t.Context(), k.Create(t, challenge))
	if err != nil || p.State != writ.PasskeyPending {
		t.Fatalf("%+v %v", p, err)
	}
	as := func(who string, want int, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		args = append([]string{"approver"}, append(args, "--config", in.Clients[who])...)
		if got := run(t.Context(), &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, args); got != want {
			t.Errorf("%v as %s: exit %d, want %d: %s%s", args, who, got, want, out.String(), errs.String())
		}
		return out.String(), errs.String()
	}
	if out, _ := as("bo", exitDone, "list", "--state", "pending"); !strings.Contains(out, string(p.ID)) || !strings.Contains(out, p.Fingerprint) {
		t.Error(out)
	}
	if out, _ := as("bo", exitDone, "export"); strings.TrimSpace(out) != "[]" {
		t.Errorf("nothing is to be signed in yet: %s", out)
	}
	if _, says := as("bo", exitUsage, "confirm", string(p.ID)); !strings.Contains(says, "fingerprint") {
		t.Error(says)
	}
	as("bo", exitUsage, "show", "al")
	as("bo", exitUsage, "list", "--state", "odd")
	as("al", exitDenied, "confirm", string(p.ID), "--fingerprint", p.Fingerprint)
	as("bo", exitUsage, "confirm", string(p.ID), "--fingerprint", "SHA256:other")
	if out, says := as("bo", exitDone, "confirm", string(p.ID), "--fingerprint", p.Fingerprint); !strings.Contains(out, "active") || !strings.Contains(says, "writ approver export") {
		t.Error(out, says)
	}
	out, says := as("bo", exitDone, "export")
	var people approval.Roster
	if err := json.Unmarshal([]byte(out), &people); err != nil || len(people) != 1 || len(people[0].Passkeys) != 1 || !strings.Contains(says, p.Fingerprint) {
		t.Fatalf("%s %s %v", out, says, err)
	}
	// What was printed is what a trust file takes, and what its owner is shown.
	file, err := os.ReadFile(filepath.Join(in.Dir, "trust.json"))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trust.Payload(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tr.Approvers {
		if tr.Approvers[i].Person() == people[0].Person() {
			tr.Approvers[i].Passkeys = people[0].Passkeys
		}
	}
	b, err := tr.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if tr, err = trust.Parse(b); err != nil || !strings.Contains(trust.Text(tr), "passkey "+p.Fingerprint+", level B") {
		t.Errorf("%v\n%s", err, trust.Text(tr))
	}
	if out, _ := as("al", exitDone, "remove", string(p.ID)); !strings.Contains(out, "removed") {
		t.Error(out)
	}
	if out, _ := as("bo", exitDone, "show", string(p.ID)); !strings.Contains(out, "removed") {
		t.Error(out)
	}
}
