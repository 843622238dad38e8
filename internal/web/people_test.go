package web_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// hostileNote is what somebody pastes into a note: markup, an escape sequence, a letter that turns the text around.
const hostileNote = "<img src=x onerror=alert(1)>\x1b[2J\u202egpj.exe"

func TestANoteIsShownLineByLineAndHarmlessly(t *testing.T) {
	f := newFake(t)
	f.notes = []writ.Note{{Index: 9, By: human, At: at, Text: "first\n" + hostileNote}, {Index: 10, By: human, At: at}}
	page := get(t, site(t, f), "/incidents/"+string(incident))
	for _, want := range []string{"<bdi>first</bdi><br><bdi>&lt;img", `action="/incidents/` + string(incident) + `/note"`, `href="/ledger/9"`, "<i>erased</i>"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []string{"<img", "\x1b", "\u202e"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestAPlanShowsWhatWasAskedForAndWhatWasReadSince(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	if page := get(t, h, planPage); strings.Contains(page, "Asked for</b>") || !strings.Contains(page, `action="`+planPage+`/evidence"`) {
		t.Error("before anybody asked")
	}
	f.plan.EvidenceAsked = []writ.EvidenceAsk{{By: human, At: at, Text: "the error rate <b>now</b>"}}
	if page := get(t, h, planPage); !strings.Contains(page, "the error rate &lt;b&gt;now") || !strings.Contains(page, "nothing yet") {
		t.Error("after somebody asked")
	}
	f.plan.EvidenceSince = []writ.Evidence{f.reading()}
	if page := get(t, h, planPage); strings.Contains(page, "nothing yet") {
		t.Error("after it was read")
	}
	f.plan.State = writ.PlanRejected
	if page := get(t, h, planPage); strings.Contains(page, planPage+"/evidence") {
		t.Error("a plan that is over can be asked about")
	}
}

func TestThePlaybooksTellHowOftenTheyHeldWhatChangedAndWhatIsRetired(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	page := get(t, h, "/playbooks/rollback-deployment")
	for _, want := range []string{"What changed since version 1", "<ins>version: 5</ins>", `action="/playbooks/rollback-deployment/retire"`, " % held"} {
		if !strings.Contains(strings.ReplaceAll(strings.ReplaceAll(page, "</b>", ""), "<b>", ""), want) {
			t.Errorf("no %q", want)
		}
	}
	if page := get(t, h, "/playbooks"); !strings.Contains(page, "% of ") && !strings.Contains(page, " %</b> of ") {
		t.Error("the list tells no rate")
	}
	f.retired = &writ.Retirement{Version: 5, By: human, At: at, Reason: "superseded"}
	page = get(t, h, "/playbooks/rollback-deployment")
	if !strings.Contains(page, "Retired</b> up to version 5") || !strings.Contains(page, "superseded") || strings.Contains(page, "/retire") {
		t.Error("a retired one")
	}
	if page := get(t, h, "/playbooks"); !strings.Contains(page, "retired</b>") {
		t.Error("the list does not say so")
	}
}

func TestTheLedgersPageSearchesAndSaysWhenItCannot(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	page := get(t, h, "/ledger?kind=approval&incident="+string(incident)+"&actor=ann&since=2026-11-22T03:00&until=")
	if did := f.did(); len(did) != 1 || did[0] != "search approval "+string(incident)+" ann 2026-11-22T03:00:00Z" {
		t.Errorf("%q", did)
	}
	for _, want := range []string{"ledger begins", "<option selected>approval</option>", `value="ann"`, "cursor=7"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, query := range []string{"incident=x", "since=yesterday"} {
		if page := get(t, h, "/ledger?"+query); !strings.Contains(page, "Not searched.") {
			t.Errorf("%s: not said", query)
		}
	}
	if page := get(t, h, `/ledger?actor=%22%3E%3Cscript%3E`); strings.Contains(page, `"><script>`) {
		t.Error("what was typed comes back as markup")
	}
}

// TestAPlaybookIsTriedFromItsPageWithoutBeingRun: what is sent is a dry run, whatever else the form has.
func TestAPlaybookIsTriedFromItsPageWithoutBeingRun(t *testing.T) {
	f := newFake(t)
	source, err := os.ReadFile("../../playbooks/scale-workload.yaml")
	must(t, err)
	f.source = string(source)
	h := site(t, f)
	page := get(t, h, "/playbooks/scale-workload")
	for _, want := range []string{`/dry-run"`, `<option value="` + string(incident) + `">`, `name="p.replicas"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	a := ask(t, h, "POST", "/playbooks/scale-workload/dry-run", url.Values{"incident": {string(incident)}, "p.replicas": {"4"}, "p.name": {"checkout"}, "dry_run": {"false"}})
	did := f.did()
	if len(did) != 1 || a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(did[0], "propose "+string(incident)+" scale-workload ") || !strings.HasSuffix(did[0], " dry") ||
		!strings.Contains(did[0], `"replicas":4`) || !strings.Contains(did[0], string(evidence)) {
		t.Errorf("%s %q", a.Status, did)
	}
	f.retired = &writ.Retirement{Version: 5, By: human, At: at, Reason: "superseded"}
	if page := get(t, h, "/playbooks/scale-workload"); strings.Contains(page, "dry-run") {
		t.Error("a retired one can be tried")
	}
}
