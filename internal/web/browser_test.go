package web_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/web"
)

var shots = flag.String("shots", "", "write a picture of each page into this `directory`")

// A sight is one page as a browser is to open it.
type sight struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Live   string `json:"live,omitempty"`   // text that only the script brings
	Nobody bool   `json:"nobody,omitempty"` // without a session
	Status int    `json:"status,omitempty"` // 0 means 200
}

// sights are the pages of a usual night.
var sights = []sight{
	{Name: "inbox", Path: "/"}, {Name: "plan", Path: planPage}, {Name: "plans", Path: "/plans"}, {Name: "run", Path: "/runs/" + string(runID)}, {Name: "runs", Path: "/runs"},
	{Name: "incident", Path: "/incidents/" + string(incident)}, {Name: "incidents", Path: "/incidents"}, {Name: "health", Path: "/health"}, {Name: "evidence", Path: "/evidence/" + string(evidence)},
	{Name: "ledger", Path: "/ledger"}, {Name: "entry", Path: "/ledger/1"}, {Name: "playbooks", Path: "/playbooks"}, {Name: "playbook", Path: "/playbooks/rollback-deployment"},
	{Name: "agents", Path: "/agents"}, {Name: "reach", Path: "/reach?all=1"}, {Name: "policy", Path: labPage}, {Name: "replay", Path: "/policy?replay=1"}, {Name: "freeze", Path: "/freeze"},
	{Name: "breakglass", Path: "/breakglass"}, {Name: "glass", Path: "/breakglass/" + string(glassID)},
	{Name: "policy-changes", Path: "/policy/changes"}, {Name: "policy-change", Path: "/policy/" + string(changeID)}, {Name: "oncall", Path: "/oncall"}, {Name: "gateway", Path: "/gateway"},
}

// tools are where ./test has put what e2e/browser/package-lock.json names.
func tools(t *testing.T) string {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join("..", "..", "e2e", "browser", "package-lock.json"))
	must(t, err)
	cache, err := os.UserCacheDir()
	must(t, err)
	sum := sha256.Sum256(lock)
	return filepath.Join(cache, "writ-browser", hex.EncodeToString(sum[:])[:12])
}

// browse opens pages in Chromium and reports what is wrong with them.
func browse(t *testing.T, f *fake, change func(*web.Config), pictures string, pages ...sight) {
	t.Helper()
	if change == nil {
		change = func(*web.Config) {}
	}
	browseAt(t, "session", pictures, func(base string) http.Handler {
		return site(t, f, func(c *web.Config) { c.ExternalURL = base }, change)
	}, pages...)
}

// browseAt is browse for whatever handler, whose sessions live in this cookie.
func browseAt(t *testing.T, cookie, pictures string, handler func(base string) http.Handler, pages ...sight) {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes a minute")
	}
	chromium, err := exec.LookPath("chromium-headless-shell") // the same engine without windows: half of the work
	if err != nil {
		chromium, err = exec.LookPath("chromium")
	}
	if _, nerr := exec.LookPath("node"); err != nil || nerr != nil {
		t.Skip("chromium and node are not installed")
	}
	at := tools(t)
	if _, err := os.Stat(filepath.Join(at, "node_modules")); err != nil {
		t.Skip("./test installs the browser's test tools")
	}
	// The pages take forms of the server's own address only, which is not known before it listens.
	srv := httptest.NewUnstartedServer(nil)
	base := "http://" + srv.Listener.Addr().String()
	srv.Config.Handler = handler(base)
	srv.Start()
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	job, err := json.Marshal(map[string]any{
		"tools": at, "chromium": chromium, "base": base, "cookie": map[string]string{"name": cookie, "value": goodValue}, "pages": pages, "shots": pictures,
	})
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("..", "..", "e2e", "browser", "check.mjs"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(job), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got struct {
		Opened int
		Found  []string
	}
	must(t, json.Unmarshal(out, &got))
	for _, what := range got.Found {
		t.Error(what)
	}
	if want := 4 * len(pages); got.Opened != want {
		t.Errorf("%d pages were checked, want %d", got.Opened, want)
	}
}

func TestPagesInABrowser(t *testing.T) {
	browse(t, night(t), nil, documented(t), sights...)
}

// TestTheApprovingPagesInABrowser does the same with the pages of the approving origin, where a plan of the highest tier, a change of
// the rules and another person's passkey wait.
func TestTheApprovingPagesInABrowser(t *testing.T) {
	f := night(t)
	browseAt(t, "approving", documented(t), func(base string) http.Handler {
		h, _ := approvalsAt(t, f, base, func(c *web.Config) { c.ExternalURL = base })
		highest(t, f)
		return h
	}, sight{Name: "approve", Path: "/approve/" + string(planID)}, sight{Name: "approve-policy", Path: "/approve/policy/" + string(changeID)}, sight{Name: "passkeys", Path: "/enrol"})
}

// documented is the directory for the pictures of docs/pages, which are made small in the end; empty when none are wanted.
func documented(t *testing.T) string {
	t.Helper()
	if *shots == "" {
		return ""
	}
	dir, err := filepath.Abs(*shots)
	must(t, err)
	t.Cleanup(func() { shrink(t, dir) })
	return dir
}

// night is a usual night with something of everything.
func night(t *testing.T) *fake {
	f := newFake(t)
	f.plan.Approvals = []writ.ApprovalStatus{{Approver: other, Answer: writ.Approve, Slot: "owner", Proof: writ.ProofC, Reason: "matches the graph", At: at.Add(-time.Minute)}}
	f.plan.Needs.Approvals = map[string]int{"oncall": 1, "owner": 1}
	f.glass = uses()
	return f
}

func TestPagesOfABadNightInABrowser(t *testing.T) {
	f := night(t)
	f.status.Runners[0].Debts = []writ.LeaseDebt{{Lease: leaseID, Run: runID, Target: target, Name: "writ-run-" + strings.ToLower(ulid), Since: at}}
	f.status.Runners[0].Silent = true
	f.status.Unsettled = []writ.RunID{runID}
	f.status.Freezes = []writ.Freeze{{ID: freezeID, Scope: writ.FreezeService, Value: "payments-api", Reason: "it makes things worse", By: human, At: at}}
	f.run.State, f.run.Reason, f.run.Leases[0].IdentityGone, f.run.Leases[0].PowerGone = writ.RunUncertain, writ.ReasonUncertainOutcome, nil, nil
	f.run.Open = []writ.StepDoubt{{
		Number: 1, Step: string(planID) + ".1", Title: "Set the image of deployment payments-api", Object: writ.Object{Location: deployed, UID: "5b1e90aa", Version: "88121"}, Method: "PATCH",
		Path: "/apis/apps/v1/namespaces/payments/deployments/payments-api", Diff: f.plan.Plan.Steps[0].Diff,
		Look: "Read " + string(deployed) + ". Where each field has the value after the arrow, the step is applied; where each has the one before it, it is not.",
	}}
	dev := func(c *web.Config) { c.Dev = true }
	browse(t, f, dev, picturesOf("bad"), sights[0], sights[3], sights[5], sights[7], sights[13], sights[14], sight{Name: "login", Path: "/dev/login", Nobody: true}, sight{Name: "missing", Path: "/plans/pln_1", Status: 404})
}

func TestPagesOfAnEmptyInstallationInABrowser(t *testing.T) {
	f := newFake(t)
	f.plan.State, f.plan.Plan, f.plan.Decision, f.plan.Evidence, f.plan.Claim = writ.PlanPlanning, nil, nil, nil, ""
	f.run = writ.RunStatus{Run: writ.Run{ID: runID, Plan: planID, Incident: incident, Runner: runnerID, State: writ.RunGranted}}
	f.status = writ.Status{Version: "test", LedgerSize: 2, Signed: 2, Policy: digest}
	f.agents = nil
	browse(t, f, nil, picturesOf("empty"), sights[0], sights[1], sights[3], sights[7], sights[13], sights[14])
}

func TestPagesOfHostileTextInABrowser(t *testing.T) {
	f := night(t)
	text := "\u202eevil\u202c \x1b[31m<b onclick=alert(1)>x</b> Z\u0351\u0351\u0351\u0351\u0351\u0351\u0351\u0351algo " + strings.Repeat("W", 3000)
	f.plan.Title, f.plan.Claim, f.plan.Requester.Sub = text, text, "rep\u0430ir"+strings.Repeat("x", 200)
	f.plan.Plan.Steps[0].Diff = []writ.Change{{Path: text, Before: text, After: text}}
	f.plan.Evidence[0].Source = text
	f.run.Title, f.run.Detail = text, text
	for i := range f.run.Events {
		f.run.Events[i].Summary = text
	}
	f.bytes = []byte(text + "\n" + strings.Repeat("x", 50<<10))
	f.agents[0].Sub, f.agents[0].Iss = text, text
	for i := range f.glass {
		f.glass[i].Justification, f.glass[i].Asker.Sub, f.glass[i].Playbook.Name = text, text, text
	}
	f.glass[3].Review.Note, f.glass[3].Review.By.Sub = text, text
	f.tools[1].Detail, f.tools[1].By.Sub = text, text
	read := sight{Name: "reviewed", Path: "/breakglass/" + string(f.glass[3].ID)}
	browse(t, f, nil, picturesOf("hostile"), sights[0], sights[1], sights[3], sights[5], sights[8], sights[13], sights[15], read, sights[len(sights)-1])
}

func TestALivePageChangesInABrowserWithoutBreakingItsPolicy(t *testing.T) {
	f := newFake(t)
	f.run.State, f.run.Ended = writ.RunRunning, nil
	browse(t, f, func(c *web.Config) { c.Runs = turning{f} }, "", sight{Name: "running", Path: "/runs/" + string(runID), Live: "run succeeded"})
}

// turning is a run that ends once its page was made: a stream's requests have a deadline, a page's have none.
type turning struct{ *fake }

func (t turning) Run(ctx context.Context, by writ.Principal, id writ.RunID, wait time.Duration) (writ.RunStatus, error) {
	if _, streams := ctx.Deadline(); streams {
		return t.succeeded(), nil
	}
	return t.fake.Run(ctx, by, id, wait)
}

// shrink rewrites pictures with 64 colours, which is what these pages have, so that a checkout stays small.
func shrink(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.png"))
	must(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		must(t, err)
		full, err := png.Decode(bytes.NewReader(b))
		must(t, err)
		often := map[color.RGBA]int{}
		area := full.Bounds()
		for y := area.Min.Y; y < area.Max.Y; y++ {
			for x := area.Min.X; x < area.Max.X; x++ {
				often[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
			}
		}
		colours := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int { return often[b] - often[a] })
		var palette color.Palette
		for _, c := range colours[:min(64, len(colours))] {
			palette = append(palette, c)
		}
		few := image.NewPaletted(area, palette)
		draw.Draw(few, area, full, area.Min, draw.Src)
		var out bytes.Buffer
		must(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few))
		must(t, os.WriteFile(file, out.Bytes(), 0o644))
	}
}

// picturesOf are pictures for whoever works on the pages; they are no part of the documentation.
func picturesOf(name string) string {
	if *shots == "" {
		return ""
	}
	dir, err := os.MkdirTemp("", "writ-pages-"+name+"-")
	if err != nil {
		return ""
	}
	return dir
}
