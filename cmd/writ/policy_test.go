package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
	"github.com/writ-dev/writ/policies"
)

// shipped is the default set in a directory of its own.
func shipped(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, policies.Default()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit replaces one text in one file.
func edit(t *testing.T, file, was, is string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(b, []byte(was)) {
		t.Fatalf("%s does not hold %q: %v", file, was, err)
	}
	if err := os.WriteFile(file, bytes.Replace(b, []byte(was), []byte(is), 1), 0o644); err != nil {
		t.Fatal(err)
	}
}

func owner(t *testing.T) (key, public string) {
	t.Helper()
	key, public = filepath.Join(t.TempDir(), "owner.pem"), filepath.Join(t.TempDir(), "owner.pub")
	k, err := pin.Create(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pin.MarshalPublic(k.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(public, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return key, public
}

func TestPolicyTestSpeaksToPeopleProgramsAndCIServers(t *testing.T) {
	dir := shipped(t)
	if code, out, errs := cli(t, "policy", "test", "--set", dir); code != exitDone || !strings.Contains(out, "✔") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	edit(t, filepath.Join(dir, "limits/when.cedar"), "context.sameFixRepeated < 3", "context.sameFixRepeated < 4")
	if code, out, _ := cli(t, "policy", "test", "--set", dir); code != exitDiffers || !strings.Contains(out, "limits/same-fix holds in no case") {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ := cli(t, "policy", "test", "--set", dir, "-o", "json")
	var report policy.Report
	if err := json.Unmarshal([]byte(out), &report); code != exitDiffers || err != nil || len(report.NotAlone) != 1 || len(report.Results) != report.Cases {
		t.Errorf("%d, %v, %+v", code, err, report.NotAlone)
	}
	code, out, _ = cli(t, "policy", "test", "--set", dir, "-o", "junit")
	var suite junitSuite
	if err := xml.Unmarshal([]byte(out), &suite); code != exitDiffers || err != nil || suite.Failures < 2 || suite.Tests < 50 {
		t.Errorf("%d, %v, %d of %d", code, err, suite.Failures, suite.Tests)
	}
}

func TestPolicyDiffAndExplainGiveTheDangerAndItsReason(t *testing.T) {
	before, after := shipped(t), shipped(t)
	if code, out, _ := cli(t, "policy", "diff", before, after, "--requests", "1000"); code != exitDone || !strings.Contains(out, "no request found among 1000") {
		t.Errorf("%d %s", code, out)
	}
	edit(t, filepath.Join(after, "limits/when.cedar"), "context.sameFixRepeated < 3", "context.sameFixRepeated < 4")
	if code, out, _ := cli(t, "policy", "diff", before, after, "--requests", "4000"); code != exitDiffers || !strings.HasPrefix(out, "! now allowed where limits/same-fix changes its mind") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ := cli(t, "policy", "explain", "a change freeze stops a rollback", "--set", before); code != exitDone || !strings.Contains(out, "limits/when.cedar:") || !strings.Contains(out, "changeFreezeUntil:") {
		t.Errorf("%d %s", code, out)
	}
	var x study.Explanation
	if code, out, errs := cli(t, "policy", "explain", "a change freeze stops a rollback", "--set", before, "-o", "json"); code != exitDone || json.Unmarshal([]byte(out), &x) != nil || len(x.Rules) == 0 {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if code, _, errs := cli(t, "policy", "explain", "change freeze", "--set", before); code != exitUsage || !strings.Contains(errs, "did you mean") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestPolicyIsSignedByOneOwnerAfterTheOther(t *testing.T) {
	dir := shipped(t)
	one, onePublic := owner(t)
	two, twoPublic := owner(t)
	verify := []string{"policy", "verify", dir, "--owner", onePublic, "--owner", twoPublic, "--threshold", "2"}
	if code, _, errs := cli(t, "policy", "sign", dir, "--key", one); code != exitUsage || !strings.Contains(errs, "--version") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := cli(t, "policy", "sign", dir, "--key", one, "--version", "3"); code != exitDone {
		t.Fatalf("%d %s", code, errs)
	}
	if code, _, _ := cli(t, verify...); code != exitDiffers {
		t.Errorf("one signature is enough for two: %d", code)
	}
	if code, _, errs := cli(t, "policy", "sign", dir, "--key", two); code != exitDone {
		t.Fatalf("%d %s", code, errs)
	}
	if code, out, errs := cli(t, verify...); code != exitDone || !strings.Contains(out, "version 3") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	edit(t, filepath.Join(dir, "tiers.yaml"), "raises: []", "raises: [ ]")
	if code, _, _ := cli(t, verify...); code != exitDiffers {
		t.Errorf("a file changed after the signing: %d", code)
	}
}

// Every command about a set says which directory is not there, and where a set comes from.
func TestPolicyCommandsNameTheDirectoryThatIsNotThere(t *testing.T) {
	key, public := owner(t)
	for _, args := range [][]string{
		{"test", "--set", "nowhere"},
		{"lint", "--set", "nowhere"},
		{"explain", "a case", "--set", "nowhere"},
		{"diff", shipped(t), "nowhere"},
		{"sign", "nowhere", "--key", key, "--version", "1"},
		{"verify", "nowhere", "--owner", public, "--threshold", "1"},
		{"publish", "nowhere"},
	} {
		if code, _, errs := cli(t, append([]string{"policy"}, args...)...); code != exitUsage || !strings.Contains(errs, `there is no directory "nowhere"`) || !strings.Contains(errs, "policies/default") {
			t.Errorf("%s: %d %s", args[0], code, errs)
		}
	}
}
