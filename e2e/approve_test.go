package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
)

// A chromium is a browser with people in it, each with an authenticator of their own.
type chromium struct {
	t    testing.TB
	node *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// longestAct is more than one act takes on a busy machine, whose own waits end after a minute each: a browser that says nothing
// for longer hangs.
const longestAct = 4 * time.Minute

// An act is one thing that a person does in the browser; a scenery is what they then see.
type act struct {
	Do          string      `json:"do"`
	Who         string      `json:"who"`
	Key         string      `json:"key,omitempty"`
	Fingerprint string      `json:"fingerprint,omitempty"`
	User        string      `json:"user,omitempty"`  // at the issuer
	Path        string      `json:"path,omitempty"`  // of a page to look at
	At          string      `json:"at,omitempty"`    // origin, for one of the approving origin
	Press       string      `json:"press,omitempty"` // a button on it
	Until       string      `json:"until,omitempty"` // what it is to say in the end
	Head        bool        `json:"head,omitempty"`  // it is in the page's head
	Plan        writ.PlanID `json:"plan,omitempty"`
	Verdict     writ.Answer `json:"verdict,omitempty"`
	Verified    bool        `json:"verified"`           // the authenticator finds that it is its user
	Weakened    bool        `json:"weakened,omitempty"` // somebody has taken the demand for that out of the way
	Wrong       bool        `json:"wrong,omitempty"`    // the person may not, so that a call is refused
	Present     bool        `json:"present,omitempty"`  // the page asks for whichever passkey is in the authenticator
	Altered     bool        `json:"altered,omitempty"`  // the bytes on the page are not those of its digest

	Reads  bool                `json:"reads,omitempty"`  // the buttons have to wait until the exact change was on the screen
	Typed  string              `json:"typed,omitempty"`  // of tier 4
	Change writ.PolicyChangeID `json:"change,omitempty"` // to be answered in place of a plan

	Incident      writ.IncidentID   `json:"incident,omitempty"` // of break-glass, as what follows
	Playbook      string            `json:"playbook,omitempty"`
	Parameters    map[string]string `json:"parameters,omitempty"`
	Justification string            `json:"justification,omitempty"`
	Other         bool              `json:"other,omitempty"` // the statement that comes is about something else
	Refused       bool              `json:"refused,omitempty"`
	Glass         writ.BreakGlassID `json:"glass,omitempty"`

	Service string `json:"service,omitempty"` // on which a decision is made how much a playbook may do alone
	Agent   string `json:"agent,omitempty"`   // instead of playbook and service
	To      string `json:"to,omitempty"`      // the tier
}

type scenery struct {
	Told, Page, Before, Fingerprint, Failed, At string
	Found                                       []string
}

func newChromium(t testing.TB, base, origin string, more ...map[string]string) *chromium {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes a minute")
	}
	bin, err := exec.LookPath("chromium-headless-shell") // the same engine without windows: half of the work
	if err != nil {
		bin, err = exec.LookPath("chromium")
	}
	if _, nerr := exec.LookPath("node"); err != nil || nerr != nil {
		t.Skip("chromium and node are not installed")
	}
	lock, err := os.ReadFile(filepath.Join("browser", "package-lock.json"))
	must(t, err)
	cache, err := os.UserCacheDir()
	must(t, err)
	sum := sha256.Sum256(lock)
	tools := filepath.Join(cache, "writ-browser", hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(filepath.Join(tools, "node_modules")); err != nil {
		t.Skip("./test installs the browser's test tools")
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("browser", "approve.mjs"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	c := &chromium{t, cmd, in, bufio.NewReader(out)}
	job := map[string]string{"tools": tools, "chromium": bin, "base": base, "origin": origin}
	for _, m := range more {
		maps.Copy(job, m)
	}
	c.say(job)
	return c
}

func (c *chromium) say(v any) {
	c.t.Helper()
	b, err := json.Marshal(v)
	must(c.t, err)
	_, err = c.in.Write(append(b, '\n'))
	must(c.t, err)
}

func (c *chromium) does(a act) scenery {
	c.t.Helper()
	c.say(a)
	hangs := time.AfterFunc(longestAct, func() { c.node.Process.Kill() })
	defer hangs.Stop()
	line, err := c.out.ReadBytes('\n')
	must(c.t, err)
	var s scenery
	must(c.t, json.Unmarshal(line, &s))
	for _, what := range s.Found {
		c.t.Errorf("%s by %s: %s", a.Do, a.Who, what)
	}
	if s.Failed != "" {
		c.t.Fatal(s.Failed)
	}
	return s
}

// TestAPasskeyAnswersInABrowser enrols a passkey of Chromium's virtual authenticator at the approving origin, has another
// person confirm it there, and approves and rejects plans with it. Whoever is not verified, or shown another plan, answers
// nothing.
func TestAPasskeyAnswersInABrowser(t *testing.T) {
	t.Parallel()
	var origin string
	x := prepareShop(t, func(_ *counter, o *setup.Options) {
		u, err := url.Parse("http://" + o.Listen)
		must(t, err)
		origin = "http://localhost:" + u.Port()
	})
	x.edit(func(c *config.Server) { c.Approve = &config.Approve{Origin: origin} })
	x.start()
	x.fails()
	b := newChromium(t, x.url, origin)
	b.does(act{Do: "login", Who: you, Key: x.tokenOf(you)})
	b.does(act{Do: "login", Who: ana, Key: x.tokenOf(ana)})
	enrolled := b.does(act{Do: "enrol", Who: you, Verified: true})
	if enrolled.Fingerprint == "" || !strings.Contains(enrolled.Page, "pending") {
		t.Fatalf("enrolment: %s\n%s", enrolled.Told, enrolled.Page)
	}
	if s := b.does(act{Do: "confirm", Who: ana, Fingerprint: enrolled.Fingerprint}); strings.Contains(s.Page, string(you)+" ·") {
		t.Errorf("it still waits:\n%s", s.Page)
	}
	state := func(id writ.PlanID) writ.PlanStatus {
		t.Helper()
		p, err := x.person.Plan(t.Context(), id)
		must(t, err)
		return p
	}
	plan := x.wants("scale-service", replicas(6), writ.PlanWaiting).Plan
	for name, c := range map[string]struct {
		act
		told string
	}{
		"not verified":                     {act{}, ""},                                                        // by the browser, in its own words
		"not verified, and nobody demands": {act{Weakened: true}, "the authenticator did not verify its user"}, // by the server,
		"another plan's bytes":             {act{Verified: true, Altered: true}, "The plan on this page is not the one of its digest."},
	} {
		c.Do, c.Who, c.Plan, c.Verdict = "answer", you, plan, writ.Approve
		if s := b.does(c.act); !strings.HasPrefix(s.Told, "Not done: ") || !strings.Contains(s.Told, c.told) {
			t.Errorf("%s: %q", name, s.Told)
		}
		if p := state(plan); p.State != writ.PlanWaiting || len(p.Approvals) != 0 {
			t.Fatalf("%s: the plan is %s with %d answers", name, p.State, len(p.Approvals))
		}
	}
	s := b.does(act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Reject, Verified: true})
	if p := state(plan); p.State != writ.PlanRejected || p.Approvals[0].Proof != writ.ProofB || p.Approvals[0].Reason != "as the graph says" {
		t.Fatalf("rejected with %q, it is %s: %+v", s.Told, p.State, p.Approvals)
	}
	plan = x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	s = b.does(act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Approve, Verified: true})
	p := state(plan)
	if len(p.Approvals) != 1 || p.Approvals[0].Answer != writ.Approve || p.Approvals[0].Proof != writ.ProofB || p.State == writ.PlanWaiting {
		t.Fatalf("approved with %q, it is %s: %+v", s.Told, p.State, p.Approvals)
	}
	if strings.Contains(s.Page, "Your answer") {
		t.Error("a plan that was answered can be answered on its page")
	}
}
