package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// TestANoteOfAPersonStandsOnItsIncidentAndInTheLedgerWithoutItsText is the incident page's note.
func TestANoteOfAPersonStandsOnItsIncidentAndInTheLedgerWithoutItsText(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	const text = "the cache was cold\x1b[2J\nafter the deployment"
	n, err := w.ctl.AddNote(w.ctx, human("ann"), in, text)
	must(t, err)
	s, err := w.ctl.Incident(w.ctx, human("bob"), in)
	must(t, err)
	if len(s.Notes) != 1 || s.Notes[0].Text != text || s.Notes[0].By != human("ann") || s.Notes[0].Index != n.Index {
		t.Fatalf("%+v", s.Notes)
	}
	b := w.bodies(writ.EntryNote)
	if len(b) != 1 || b[0].(*writ.NoteBody).By != human("ann") || b[0].(*writ.NoteBody).Size != len(text) {
		t.Errorf("%+v", b)
	}
	last := s.Timeline[len(s.Timeline)-1]
	if last.Kind != writ.EntryNote || last.Index != n.Index || strings.Contains(last.Summary, "cache") {
		t.Errorf("%+v", last)
	}
	// No agent writes one, and none sees one.
	_, err = w.ctl.AddNote(w.ctx, repair, in, "looks fine, approve it")
	refused(t, err, writ.ReasonKind)
	s, err = w.ctl.Incident(w.ctx, repair, in)
	must(t, err)
	if len(s.Notes) != 0 {
		t.Errorf("an agent sees %+v", s.Notes)
	}
	for _, bad := range []string{"", strings.Repeat("x", writ.MaxNote+1), "\xff"} {
		_, err := w.ctl.AddNote(w.ctx, human("ann"), in, bad)
		refused(t, err, writ.ReasonForm)
	}
	_, err = w.ctl.AddNote(w.ctx, human("ann"), "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB", "nowhere")
	refused(t, err, "not_found")
}

func TestNobodyWritesNotesWithoutEnd(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		_, err = w.ctl.AddNote(w.ctx, human("ann"), in, fmt.Sprintf("note %d", n))
	}
	refused(t, err, writ.ReasonStorm)
	_, err = w.ctl.AddNote(w.ctx, human("bob"), in, "another person's")
	must(t, err)
}

// TestAPersonAsksForEvidenceAndTheAgentsPlanSaysSo walks the whole of it: the question, what the requester hears, what it reads.
func TestAPersonAsksForEvidenceAndTheAgentsPlanSaysSo(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	s := w.proposed(repair, w.scaleTo(in, 5))
	if s.State != writ.PlanWaiting {
		t.Fatalf("%s %s", s.State, s.Reason)
	}
	// Whoever waits for news of the plan hears of the question.
	heard := make(chan writ.PlanStatus, 1)
	go func() {
		p, err := w.ctl.Plan(w.ctx, repair, s.ID, 2*time.Second)
		if err != nil {
			t.Error(err)
		}
		heard <- p
	}()
	w.pass(time.Second)
	_, err := w.ctl.AskEvidence(w.ctx, human("ann"), s.ID, "the error rate since 03:00")
	must(t, err)
	p := <-heard
	if len(p.EvidenceAsked) == 0 {
		t.Fatalf("the agent hears nothing: %+v", p)
	}
	if q := p.EvidenceAsked[0]; q.Text != "the error rate since 03:00" || q.By.Valid() || len(p.EvidenceSince) != 0 || p.State != writ.PlanWaiting {
		t.Errorf("the agent hears %+v", p.EvidenceAsked)
	}
	w.pass(time.Second)
	e := w.observe(diagnose, in)
	people, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
	must(t, err)
	if q := people.EvidenceAsked[0]; q.By != human("ann") || len(people.EvidenceSince) != 1 || people.EvidenceSince[0].ID != e.ID {
		t.Errorf("people see %+v %+v", q, people.EvidenceSince)
	}
	if people.Digest != s.Digest || people.ExpiresAt != s.ExpiresAt {
		t.Error("a question changed the plan, or its time")
	}
	if b := w.bodies(writ.EntryEvidenceAsk); len(b) != 1 || b[0].(*writ.EvidenceAskBody).By != human("ann") || b[0].(*writ.EvidenceAskBody).Plan != s.ID {
		t.Errorf("%+v", b)
	}
	_, err = w.ctl.AskEvidence(w.ctx, repair, s.ID, "approve it")
	refused(t, err, writ.ReasonKind)
	for range 4 {
		_, err = w.ctl.AskEvidence(w.ctx, human("bob"), s.ID, "more")
		must(t, err)
	}
	_, err = w.ctl.AskEvidence(w.ctx, human("bob"), s.ID, "more")
	refused(t, err, writ.ReasonTooLarge)
	_, err = w.ctl.Withdraw(w.ctx, human("ann"), s.ID, "enough")
	must(t, err)
	_, err = w.ctl.AskEvidence(w.ctx, human("ann"), s.ID, "too late")
	refused(t, err, writ.ReasonForm)
}

// TestARetiredPlaybookCannotBeProposedAndItsOpenPlansEnd is the playbooks page's retirement.
func TestARetiredPlaybookCannotBeProposedAndItsOpenPlansEnd(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ask := w.scaleTo(in, 5)
	s := w.proposed(repair, ask)
	owner := w.config.Library[ask.Playbook].Playbook.Owner
	w.config.Roster = append(slices.Clone(w.config.Roster), w.member("olga", owner))
	again, err := control.New(w.config)
	must(t, err)
	must(t, again.Start(w.ctx))
	for by, want := range map[writ.Principal]writ.Reason{repair: writ.ReasonKind, human("eve"): writ.ReasonNotYours} {
		_, err := again.RetirePlaybook(w.ctx, by, ask.Playbook, "superseded")
		refused(t, err, want)
	}
	_, err = again.RetirePlaybook(w.ctx, human("olga"), ask.Playbook, "")
	refused(t, err, writ.ReasonForm)
	p, err := again.RetirePlaybook(w.ctx, human("olga"), ask.Playbook, "superseded")
	must(t, err)
	if p.Retired == nil || p.Retired.By != human("olga") || p.Retired.Version != p.Version {
		t.Fatalf("%+v", p.Retired)
	}
	now, err := again.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if now.State != writ.PlanWithdrawn || now.Reason != writ.ReasonUnknownPlaybook {
		t.Errorf("its open plan is %s %s", now.State, now.Reason)
	}
	for _, by := range []writ.Principal{repair, human("ann")} { // on every replica
		_, err = w.ctl.Propose(w.ctx, by, ask)
		refused(t, err, writ.ReasonUnknownPlaybook)
	}
	_, err = w.ctl.Playbook(w.ctx, repair, ask.Playbook)
	refused(t, err, writ.ReasonUnknownPlaybook)
	listed := func(by writ.Principal) *writ.PlaybookSummary {
		all, err := w.ctl.Playbooks(w.ctx, by, "")
		must(t, err)
		for _, x := range all {
			if x.Name == ask.Playbook {
				return &x
			}
		}
		return nil
	}
	if x := listed(repair); x != nil {
		t.Errorf("agents are offered %+v", x)
	}
	if x := listed(human("ann")); x == nil || x.Retired == nil || x.Retired.Reason != "superseded" {
		t.Errorf("people see %+v", x)
	}
	if b := w.bodies(writ.EntryPlaybook); len(b) != 1 || b[0].(*writ.PlaybookBody).By != human("olga") || b[0].(*writ.PlaybookBody).Ended != 1 {
		t.Errorf("%+v", b)
	}
	_, err = again.RetirePlaybook(w.ctx, human("olga"), ask.Playbook, "twice")
	must(t, err)
	if n := len(w.bodies(writ.EntryPlaybook)); n != 1 {
		t.Errorf("%d entries for one retirement", n)
	}
	// A higher version is offered again, and people can compare the two.
	next := control.Library{}
	src := strings.Replace(string(w.config.Library[ask.Playbook].Source), fmt.Sprintf("version: %d", p.Version), fmt.Sprintf("version: %d", p.Version+1), 1)
	must(t, next.Add([]byte(src)))
	w.config.Library = next
	newer, err := control.New(w.config)
	must(t, err)
	must(t, newer.Start(w.ctx))
	had, err := newer.PlaybookVersions(w.ctx, human("ann"), ask.Playbook)
	must(t, err)
	if len(had) != 2 || had[0].Version != p.Version+1 || had[1].Version != p.Version || had[0].Source != src {
		t.Errorf("%d versions", len(had))
	}
	_, err = newer.PlaybookVersions(w.ctx, repair, ask.Playbook)
	refused(t, err, writ.ReasonKind)
	_, err = newer.Propose(w.ctx, repair, ask)
	must(t, err)
}

// TestTheLedgerIsSearchedByKindIncidentActorAndTime, page by page, without an entry missed or told twice.
func TestTheLedgerIsSearchedByKindIncidentActorAndTime(t *testing.T) {
	w := newWorld(t)
	one, two := w.incident("shop").ID, w.incident("shop").ID
	for i := range 7 {
		_, err := w.ctl.AddNote(w.ctx, human("ann"), one, fmt.Sprint(i))
		must(t, err)
	}
	w.pass(2 * time.Hour)
	_, err := w.ctl.AddNote(w.ctx, human("bob"), two, "later")
	must(t, err)
	search := func(f writ.EntryFilter) (found []int64) {
		t.Helper()
		for f.Limit = 3; ; {
			page, next, err := w.ctl.SearchLedger(w.ctx, human("ann"), f)
			must(t, err)
			for _, e := range page {
				found = append(found, e.Index)
			}
			if next == "" {
				return found
			}
			if f.Cursor = next; len(page) > 3 {
				t.Fatalf("a page of %d", len(page))
			}
		}
	}
	notes := search(writ.EntryFilter{Kind: writ.EntryNote})
	if len(notes) != 8 || !slices.IsSortedFunc(notes, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("notes %v", notes)
	}
	if got := search(writ.EntryFilter{Incident: one, Kind: writ.EntryNote}); !slices.Equal(got, notes[1:]) {
		t.Errorf("of one incident %v", got)
	}
	if got := search(writ.EntryFilter{Actor: "bob"}); !slices.Equal(got, notes[:1]) {
		t.Errorf("by bob %v", got)
	}
	if got := search(writ.EntryFilter{Kind: writ.EntryNote, Since: begin.Add(time.Hour)}); !slices.Equal(got, notes[:1]) {
		t.Errorf("since %v", got)
	}
	if got := search(writ.EntryFilter{Kind: writ.EntryNote, Until: begin.Add(time.Hour)}); !slices.Equal(got, notes[1:]) {
		t.Errorf("until %v", got)
	}
	if got := search(writ.EntryFilter{Actor: "nobody"}); len(got) != 0 {
		t.Errorf("by nobody %v", got)
	}
	for _, bad := range []writ.EntryFilter{{Kind: "gossip"}, {Cursor: "x"}, {Actor: strings.Repeat("x", 301)}, {Since: begin, Until: begin.Add(-time.Hour)}} {
		_, _, err := w.ctl.SearchLedger(w.ctx, human("ann"), bad)
		refused(t, err, writ.ReasonForm)
	}
	_, _, err = w.ctl.SearchLedger(w.ctx, repair, writ.EntryFilter{})
	refused(t, err, writ.ReasonKind)
}
