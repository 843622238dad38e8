package control_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

func TestI20AReadingIsStoredBehindACommitmentOnly(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ev, b, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", "", workload) // the service's only target
	must(t, err)
	if !bytes.Contains(b, []byte(secret)) || ev.Commitment.IsZero() || ev.Size != len(b) || ev.Reader != runnerID || ev.Query.Target != target || ev.AskedBy != diagnose || ev.Writable {
		t.Errorf("%+v %q", ev, b)
	}
	again, same, err := w.ctl.Evidence(w.ctx, repair, ev.ID)
	must(t, err)
	if again.ID != ev.ID || !again.Commitment.Equal(ev.Commitment) || !bytes.Equal(same, b) {
		t.Errorf("%+v %q", again, same)
	}
	w.propose(repair, writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: workload, Evidence: []writ.EvidenceID{ev.ID}, Because: "claim " + secret})
	for i, leaf := range w.leaves() {
		e := w.entries()[i]
		if bytes.Contains(leaf, []byte(secret)) || bytes.Contains(e.Envelope.Payload, []byte(secret)) || bytes.Contains(e.Envelope.Payload, []byte("unhealthy")) {
			t.Errorf("entry %d, %s, holds text that was read or claimed", i, e.Record.Kind)
		}
	}
	if w.count(writ.EntryEvidence) != 1 {
		t.Error("the reading has no entry")
	}
}

func TestI04OnlyCataloguedReadersOfTheServicesTargetsAreAsked(t *testing.T) {
	w := newWorld(t)
	shop, far := w.incident("shop").ID, w.incident("far").ID
	for name, c := range map[string]struct {
		by     writ.Principal
		in     writ.IncidentID
		reader writ.OperationName
		at     writ.Location
		with   writ.Parameters
		want   writ.Reason
	}{
		"unknown reader":      {diagnose, shop, "kubernetes/secret.get", target, workload, writ.ReasonUnknownReader},
		"an operation":        {diagnose, shop, "kubernetes/workload.restart", target, workload, writ.ReasonUnknownReader},
		"unknown parameter":   {diagnose, shop, "kubernetes/workload.status", target, with(workload, "selector", writ.String("x")), writ.ReasonUnknownParameter},
		"missing parameter":   {diagnose, shop, "kubernetes/workload.status", target, nil, writ.ReasonMissingParameter},
		"free text":           {diagnose, shop, "kubernetes/workload.status", target, with(workload, "name", writ.String("a; rm -rf /")), writ.ReasonParameterBound},
		"another target":      {diagnose, shop, "kubernetes/workload.status", "kubernetes://elsewhere", workload, writ.ReasonOutOfScope},
		"a target of nobody":  {diagnose, far, "kubernetes/workload.status", "kubernetes://elsewhere", workload, writ.ReasonOutOfScope},
		"the shop's, for far": {diagnose, far, "kubernetes/workload.status", target, workload, writ.ReasonOutOfScope},
		"no such incident":    {diagnose, "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD", "kubernetes/workload.status", target, workload, writ.ReasonUnknownIncident},
		"unregistered agent":  {writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "stranger"}, shop, "kubernetes/workload.status", target, workload, writ.ReasonAgentUnregistered},
		"suspended agent":     {asleep, shop, "kubernetes/workload.status", target, workload, writ.ReasonAgentSuspended},
		"nobody":              {writ.Principal{Kind: writ.KindHuman}, shop, "kubernetes/workload.status", target, workload, writ.ReasonKind},
		"a runner":            {runnerID.Principal(), shop, "kubernetes/workload.status", target, workload, writ.ReasonKind},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.ctl.Observe(w.ctx, c.by, c.in, c.reader, c.at, c.with)
			refused(t, err, c.want)
		})
	}
	if n := w.runner.asked.Load(); n != 0 {
		t.Errorf("the runner was asked %d times", n)
	}
	if n := w.count(writ.EntryDeny); n != 12 { // nobody has no name to record
		t.Errorf("%d refusals are recorded", n)
	}
}

func TestARunnersRefusalToReadReachesTheAgent(t *testing.T) {
	w := newWorld(t)
	w.runner.script(func(assignment.Observe) assignment.Answer {
		return assignment.Answer{Refused: &assignment.Refused{Code: writ.ReasonNoObject, Detail: "there is no deployment \x1b[31mcheckout", Hint: "look at the list"}}
	}, nil)
	in := w.incident("shop").ID
	_, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, workload)
	refused(t, err, writ.ReasonNoObject)
	if bytes.Contains([]byte(err.Error()), []byte("\x1b")) {
		t.Error("a control character reaches the agent")
	}
	if w.count(writ.EntryEvidence) != 0 {
		t.Error("a refusal became evidence")
	}
}

// A runner cannot declare a log trustworthy, nor a reading younger than it is.
func TestI12ARunnersWordOnItsReadingIsBounded(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	w.runner.script(func(o assignment.Observe) assignment.Answer {
		a := w.runner.read(o)
		a.Observed.At = w.now().Add(time.Hour)
		return a
	}, nil)
	ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/pod.logs", target, writ.Parameters{"namespace": writ.String("shop"), "name": writ.String("checkout-1")})
	must(t, err)
	if !ev.Writable {
		t.Error("a log counts as text that nobody else can write")
	}
	if ev.At.After(w.now()) {
		t.Errorf("it was read at %s, in the future", ev.At)
	}
}

func TestAReadingIsTakenFromItsRunnerOnceAndWithinItsLimit(t *testing.T) {
	w := quietWorld(t)
	in := w.incident("shop").ID
	got := make(chan writ.Evidence, 1)
	go func() {
		ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, workload)
		if err != nil {
			t.Errorf("observe: %v", err)
		}
		got <- ev
	}()
	a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{WaitSeconds: 20})
	must(t, err)
	read := func(size int) assignment.Answer {
		return assignment.Answer{Assignment: a.ID, Observed: &assignment.Observed{Bytes: make([]byte, size), At: w.now()}}
	}
	if err := w.ctl.AnswerAssignment(w.ctx, runnerID, read(a.Observe.Limit+1)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a reading beyond the limit: %v", err)
	}
	if err := w.ctl.AnswerAssignment(w.ctx, otherID, read(1)); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("another runner's reading: %v", err)
	}
	if err := w.ctl.AnswerAssignment(w.ctx, runnerID, assignment.Answer{Assignment: a.ID}); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("no reading and no refusal: %v", err)
	}
	var both sync.WaitGroup
	for range 8 { // the same answer several times at once
		both.Go(func() {
			if err := w.ctl.AnswerAssignment(w.ctx, runnerID, read(7)); err != nil {
				t.Errorf("the answer again: %v", err)
			}
		})
	}
	both.Wait()
	if ev := <-got; ev.Size != 7 || w.count(writ.EntryEvidence) != 1 {
		t.Errorf("%+v, %d entries", ev, w.count(writ.EntryEvidence))
	}
}
