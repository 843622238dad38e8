package control_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
	"github.com/writ-dev/writ/internal/redact"
	"github.com/writ-dev/writ/internal/store"
)

// without is another process of the same control plane, to whose runner's catalogue a reader has gone lost.
func (w *world) without(reader writ.OperationName) *control.Control {
	w.t.Helper()
	c, fewer := w.config, plane
	fewer.Readers = slices.DeleteFunc(slices.Clone(plane.Readers), func(r connector.Reader) bool { return r.Name == reader })
	c.Targets = []control.Target{{Location: target, Runner: runnerID, Catalogue: fewer}}
	ctl, err := control.New(c)
	must(w.t, err)
	return ctl
}

const noReading = writ.EvidenceID("ev_01JDB3V0T6M2Y8H4R1C7K5P9WD")

// mayRead fails unless by gets a reading's bytes and what opens them, or neither.
func (w *world) mayRead(ctl *control.Control, what string, by writ.Principal, id writ.EvidenceID, want bool) {
	w.t.Helper()
	before := w.denials("read again", writ.ReasonNotFound)
	e, b, err := ctl.Evidence(w.ctx, by, id)
	o, openErr := ctl.OpenedEvidence(w.ctx, by, id)
	recorded := w.denials("read again", writ.ReasonNotFound) - before
	if want {
		if err != nil || openErr != nil || len(b) == 0 || e.ID != id || len(o.Salt) == 0 || recorded != 0 {
			w.t.Errorf("%s: %s does not read it: %v, %v, %d refusals", what, by.Sub, err, openErr, recorded)
		}
		return
	}
	_, _, none := ctl.Evidence(w.ctx, by, noReading)
	if none == nil || err == nil || openErr == nil {
		w.t.Fatalf("%s: %s reads it: %v, %v, %v", what, by.Sub, err, openErr, none)
	}
	for _, got := range []error{err, openErr} {
		same := strings.ReplaceAll(got.Error(), string(id), string(noReading)) == none.Error()
		if !same || writ.ReasonOf(got) != writ.ReasonNotFound || !errors.Is(got, writ.ErrNotFound) || !errors.Is(none, writ.ErrNotFound) {
			w.t.Errorf("%s: %s is told %q; of one that there is not, %q", what, by.Sub, got, none)
		}
	}
	if len(b) != 0 || e.ID != "" || len(o.Bytes)+len(o.Salt) != 0 || recorded != 2 {
		w.t.Errorf("%s: %s got %d bytes and %d, %d refusals are recorded", what, by.Sub, len(b), len(o.Bytes), recorded)
	}
}

// Who may not have a reading taken learns nothing of one that was: it does not exist for it. Who asked for it, to whom it was handed
// for as long as that stands, and who may have it taken now read it.
func TestI04AReadingIsReadAgainByItsAskerItsRecipientAndWhoMayTakeItNow(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ev := w.observe(diagnose, in)
	all, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/pods.list", target, workload)
	must(t, err)
	w.mayRead(w.ctl, "who may take it", repair, ev.ID, true)
	ctl := w.without("kubernetes/workload.status")
	w.mayRead(ctl, "its asker", diagnose, ev.ID, true)
	w.mayRead(ctl, "a person", human("carl"), ev.ID, true)
	w.mayRead(ctl, "who may take it", repair, all.ID, true)
	w.mayRead(ctl, "who may not take it any more", repair, ev.ID, false)

	naming := func(a *writ.HandOffAsk) { a.Evidence = []writ.EvidenceID{ev.ID} }
	w.handed(diagnose, "repair", in, func(a *writ.HandOffAsk) { a.Evidence = []writ.EvidenceID{all.ID} })
	w.mayRead(ctl, "a hand-off of something else", repair, ev.ID, false)
	h := w.handed(diagnose, "repair", in, naming)
	w.mayRead(ctl, "its recipient", repair, ev.ID, true)
	w.mayRead(ctl, "neither giver nor recipient", second, ev.ID, false)
	hop := w.handed(repair, "second", in, naming, func(a *writ.HandOffAsk) { a.Parent = h.ID })
	w.mayRead(ctl, "the recipient of the next hop", second, ev.ID, true)
	_, err = w.ctl.RevokeHandOff(w.ctx, human("ann"), h.ID)
	must(t, err)
	w.mayRead(ctl, "its recipient, once it is revoked", repair, ev.ID, false)
	w.mayRead(ctl, "that of the hop after it", second, ev.ID, false)
	if got, err := w.ctl.HandedOff(w.ctx, second, hop.ID); err != nil || got.State != writ.HandOffRevoked {
		t.Fatalf("%+v %v", got, err)
	}

	w.handed(diagnose, "repair", in, naming)
	_, err = w.ctl.Alert(w.ctx, source, group("group-1", func(g *writ.AlertGroup) { g.Status = "resolved" }))
	must(t, err)
	for what, x := range map[string]struct {
		by   writ.Principal
		id   writ.EvidenceID
		want bool
	}{
		"who could have taken it": {second, all.ID, false}, "its asker": {diagnose, all.ID, true}, "its recipient": {repair, ev.ID, true}, "a person": {human("ann"), all.ID, true},
	} {
		w.mayRead(w.ctl, "of a closed incident, "+what, x.by, x.id, x.want)
	}
	w.pass(16 * time.Minute)
	w.mayRead(w.ctl, "its recipient, once its time is over", repair, ev.ID, false)

	entries := len(w.entries())
	if _, _, err := w.ctl.Evidence(w.ctx, human("ann"), noReading); !errors.Is(err, writ.ErrNotFound) || len(w.entries()) != entries {
		t.Errorf("a person's misspelt id: %v, %d entries more", err, len(w.entries())-entries)
	}
}

// What was asked for and not read does not exist for anybody, its asker included.
func TestAReadingThatWasNotMadeIsNotThere(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	w.runner.script(func(assignment.Observe) assignment.Answer {
		return assignment.Answer{Refused: &assignment.Refused{Code: writ.ReasonNoObject, Detail: "there is no deployment checkout"}}
	}, nil)
	_, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, workload)
	refused(t, err, writ.ReasonNoObject)
	must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Evidence, store.Filter{Incident: string(in)})
		if len(rows) != 1 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, r := range rows {
			if _, _, err := w.ctl.Evidence(w.ctx, diagnose, writ.EvidenceID(r.ID)); writ.ReasonOf(err) != writ.ReasonNotFound {
				t.Errorf("%v", err)
			}
		}
		return err
	}))
}

// What an agent may not read it can neither cite, and so learn of it from what a proposal is told, nor pass on to one that would then
// read it.
func TestI11WhatAnAgentMayNotReadItNeitherCitesNorPassesOn(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ask := w.restart(in)
	ev := ask.Evidence[0]
	none := ask
	none.Evidence = []writ.EvidenceID{noReading}
	ctl := w.without("kubernetes/workload.status")
	_, want := ctl.Propose(w.ctx, repair, none)
	_, got := ctl.Propose(w.ctx, repair, ask)
	refused(t, got, writ.ReasonUnknownEvidence)
	if want == nil || got == nil || strings.ReplaceAll(got.Error(), string(ev), string(noReading)) != want.Error() {
		t.Errorf("cited: %v; one that there is not: %v", got, want)
	}
	pass := writ.HandOffAsk{Incident: in, To: "second", Playbooks: []string{"restart-workload"}, MaxTier: writ.T1, Evidence: []writ.EvidenceID{ev}}
	_, err := ctl.HandOff(w.ctx, repair, pass)
	refused(t, err, writ.ReasonUnknownEvidence)
	w.mayRead(ctl, "what was not passed on", second, ev, false)

	h := w.handed(diagnose, "repair", in, func(a *writ.HandOffAsk) { a.Evidence = pass.Evidence })
	if s, err := ctl.Propose(w.ctx, repair, under(h, ask)); err != nil || w.settled(repair, s.ID).State != writ.PlanGranted {
		t.Errorf("its recipient's proposal: %+v %v", s, err)
	}
}

// A frozen agent reads nothing again either, and is told so whatever id it names.
func TestI18AFrozenAgentReadsNothingAgain(t *testing.T) {
	w := newWorld(t)
	ev := w.observe(diagnose, w.incident("shop").ID)
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAgent, diagnose.Iss+" "+diagnose.Sub, "it behaves oddly")
	must(t, err)
	for _, id := range []writ.EvidenceID{ev.ID, noReading} {
		_, _, err := w.ctl.Evidence(w.ctx, diagnose, id)
		refused(t, err, writ.ReasonFrozen)
	}
	if w.denials("read again", writ.ReasonFrozen) != 2 {
		t.Error("the refusals are not in the ledger")
	}
	w.mayRead(w.ctl, "another", repair, ev.ID, true)
}

// What came through an upstream is read again by whom the upstream names and policy allows that very call, as it stands now.
func TestAReadingThroughAnUpstreamIsReadAgainByWhoMayMakeThatCallNow(t *testing.T) {
	t.Parallel()
	tool := gatewaytest.Pods()
	tool.InputSchema = json.RawMessage(strings.Replace(string(tool.InputSchema.(json.RawMessage)), `"properties":{`, `"properties":{"label":{"type":"string","maxLength":63},`, 1))
	x := front(t, map[string]string{`@id("limits/registered")`: `@id("limits/own-namespace")
@reason("Who repairs reads of the shop's namespace.")
forbid (principal is Agent, action == Action::"mcp/kube.list_pods", resource is Service)
unless { principal.roles.contains(Role::"diagnose") || context has arguments && context.arguments.contains("namespace=shop") };

@id("limits/registered")`}, tool).pinned(pods)
	read := func(arguments string) writ.EvidenceID {
		t.Helper()
		r, err := x.read(diagnose, arguments)
		must(t, err)
		return r.Evidence
	}
	shop, bank, secret := read(shopPods), read(`{"namespace":"bank"}`), read(`{"namespace":"shop","label":"password=hunter2hunter2"}`)
	if _, b, err := x.ctl.Evidence(x.ctx, ann, secret); err != nil || strings.Contains(string(b), "hunter2") || !strings.Contains(string(b), redact.Mark) {
		t.Fatalf("the secret is kept: %q %v", b, err)
	}
	calls := len(x.up.Calls())
	x.mayRead(x.ctl, "its asker", diagnose, bank, true)
	x.mayRead(x.ctl, "a person", ann, bank, true)
	x.mayRead(x.ctl, "named by the upstream, and allowed the arguments", second, shop, true)
	x.mayRead(x.ctl, "named by the upstream, and not allowed the arguments", second, bank, false)
	x.mayRead(x.ctl, "arguments that held a secret", second, secret, false)
	x.mayRead(x.ctl, "not named by the upstream", repair, shop, false)
	_, err := x.ctl.Unpin(x.ctx, carl, pods, "it looks wrong")
	must(t, err)
	x.mayRead(x.ctl, "of a tool that is off", second, shop, false)
	x.mayRead(x.ctl, "of a tool that is off, its asker", diagnose, shop, true)
	if n := len(x.up.Calls()); n != calls {
		t.Errorf("reading again made %d calls", n-calls)
	}
}
