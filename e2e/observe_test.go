package e2e_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// scaleGated is scale-workload with a claim about another Deployment of the service, which the test can make true and false
// without touching the object of the plan.
const (
	scaleGated = "scale-gated"
	claimGated = "the-other-is-away"
	witness    = "witness"
	gatedBlock = "observe:\n- {name: " + claimGated + ", reader: kubernetes/workload.status, with: {kind: deployment, namespace: $namespace, name: " + witness + "}, fact: ready_replicas, op: at_most, value: 0}\nguards:\n"
)

// gatedLife is how old evidence may be: short, so that a test can wait for its end. What it slows, it tries again.
const gatedLife = 4 * time.Second

// claimLife is how old the reading of a plan's claims may be at its grant, here as short as it can be set; an older one is read
// again first. claimAge is older than that.
const (
	claimLife = writ.MinClaimLife
	claimAge  = claimLife + time.Second
)

// TestD1AGrantNeedsEvidenceThatStillHolds plays the gate on a real cluster with whole processes, on two services at a time:
// missing, contradicted and stale evidence each refuse and name the claim; true evidence makes a plan. Then both plans wait
// for a person until what they rest on has to be read again. Where the claim does not hold any more nothing runs, with
// the person's signature or without; where it holds, it does. What was read verifies offline.
func TestD1AGrantNeedsEvidenceThatStillHolds(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses, nil, "gone", "holds")
	life := config.Duration(0)
	s.edit(func(c *config.Server) {
		life, c.EvidenceLife = c.EvidenceLife, config.Duration(gatedLife)
		c.ClaimLife = config.Duration(claimLife)
	})
	s.start()
	scenes := map[string]*scene{}
	for _, service := range []string{"gone", "holds"} {
		x := s.healthy(t, service)
		x.Deployment(t, x.ns, witness, goodImage, 1)
		x.incident = x.alert("firing")
		scenes[service] = x
	}
	scenes["gone"].refusedWithout()
	scenes["holds"].witnesses(0)

	s.procs["server"].kill() // and with the life of evidence as it is installed
	s.edit(func(c *config.Server) { c.EvidenceLife = life })
	s.startServer()
	s.awaitRunner()
	t.Run("services", func(t *testing.T) {
		for service, x := range scenes {
			t.Run(service, func(t *testing.T) {
				t.Parallel()
				x.t = t
				x.gated(service == "holds")
			})
		}
	})
	s.verified(t)
}

func (x *scene) gated(holds bool) {
	t := x.t
	plan := x.trulyAsked()
	asked := time.Now()
	if !holds {
		x.witnesses(1)
	}
	x.verifiesReading()
	time.Sleep(time.Until(asked.Add(claimAge)))
	shown := x.cli(t, you, "plan", "show", string(plan))
	approved := x.cli(t, you, "approve", string(plan), "--digest", digestIn(t, shown.out), "--reason", "the other is away")
	if holds {
		if approved.code != 0 {
			t.Fatalf("%+v", approved)
		}
		x.ended(plan, writ.RunSucceeded)
		if n := *x.now().Spec.Replicas; n != 4 {
			t.Errorf("%d replicas", n)
		}
		if shown := x.wantCLI(t, 0, you, "plan", "show", string(plan)); !strings.Contains(shown.out, "2 of 2 true, at") {
			t.Errorf("the plan does not say that it was read again:\n%s", shown.out)
		}
		p, err := x.person.Plan(t.Context(), plan)
		if err != nil || p.ReadAgain == nil || p.ReadAgain.At.Before(asked.Add(claimAge-time.Second)) {
			t.Errorf("it was not read again: %+v, %v", p.ReadAgain, err)
		}
		return
	}
	var p writ.PlanStatus
	await(t, "the refusal", func() (bool, string) {
		var err error
		p, err = x.person.Plan(t.Context(), plan)
		return err == nil && p.State.Final(), fmt.Sprint(p.State, p.Detail, err)
	})
	if p.State == writ.PlanDone || p.Run != "" || p.Reason != writ.ReasonEvidenceContradicted || !strings.Contains(p.Detail, claimGated) {
		t.Errorf("%s %s %s: %q", p.State, p.Run, p.Reason, p.Detail)
	}
	x.wantWrites(0)
}

// refusedWithout asks three times with evidence that does not do. The witness is there at first.
func (x *scene) refusedWithout() {
	x.refusedFor(writ.ReasonEvidenceMissing, func() []string { return []string{x.reads(deployment)} })
	x.refusedFor(writ.ReasonEvidenceContradicted, func() []string { return []string{x.reads(deployment), x.reads(witness)} })
	x.witnesses(0)
	old := x.reads(witness)
	time.Sleep(gatedLife + 500*time.Millisecond)
	x.refusedFor(writ.ReasonEvidenceStale, func() []string { return []string{x.reads(deployment), old} })
}

// refusedFor asks with evidence until the refusal is about the claim: on a busy machine the other reading can be too old first.
func (x *scene) refusedFor(want writ.Reason, evidence func() []string) {
	x.t.Helper()
	await(x.t, string(want), func() (bool, string) {
		a := x.asksGated(evidence()...)
		if !a.refuse || a.Plan != "" {
			x.t.Fatalf("it is no refusal: %s", a.text)
		}
		return strings.Contains(a.text, string(want)) && strings.Contains(a.text, claimGated), a.text
	})
}

// trulyAsked asks with true evidence and returns the plan, which waits for a person.
func (x *scene) trulyAsked() writ.PlanID {
	x.t.Helper()
	var a answer
	await(x.t, "a plan", func() (bool, string) {
		x.evidence = []string{x.reads(deployment), x.reads(witness)}
		a = x.asksGated(x.evidence...)
		if a.Plan != "" && a.State != string(writ.PlanWaiting) {
			x.t.Fatalf("%s", a.text)
		}
		return a.Plan != "", a.text
	})
	return writ.PlanID(a.Plan)
}

func (x *scene) asksGated(evidence ...string) answer {
	x.t.Helper()
	return x.agent(x.t, repairer).propose(x.t, x.incident, scaleGated, map[string]any{"namespace": x.ns, "name": deployment, "replicas": 4}, evidence...)
}

func (x *scene) reads(name string) string {
	x.t.Helper()
	id, _ := x.agent(x.t, diagnoser).observe(x.t, x.incident, kubernetes.WorkloadStatus, map[string]any{"kind": "deployment", "namespace": x.ns, "name": name})
	return id
}

// witnesses gives the other Deployment that many replicas and waits until they are ready.
func (x *scene) witnesses(n int32) {
	x.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
	_, err := x.kube.AppsV1().Deployments(x.ns).Patch(x.t.Context(), witness, types.MergePatchType, patch, metav1.PatchOptions{})
	must(x.t, err)
	await(x.t, "the witness", func() (bool, string) {
		d, err := x.kube.AppsV1().Deployments(x.ns).Get(x.t.Context(), witness, metav1.GetOptions{})
		must(x.t, err)
		return d.Status.ReadyReplicas == n && d.Status.Replicas == n && d.Status.ObservedGeneration >= d.Generation, fmt.Sprintf("%+v", d.Status)
	})
}

// verifiesReading has an auditor check a reading offline, and again with one byte changed.
func (x *scene) verifiesReading() {
	t := x.t
	t.Helper()
	dir := t.TempDir()
	id := x.evidence[1]
	bundle := filepath.Join(dir, "bundle")
	x.wantCLI(t, 0, you, "ledger", "export", "--incident", string(x.incident), "-f", bundle)
	shown := x.wantCLI(t, 0, you, "evidence", "show", id, "-o", "json")
	check := func(code int, content, say string) {
		t.Helper()
		file := filepath.Join(dir, "content.json")
		write(t, file, []byte(content))
		r := x.run(t, dir, "evidence", "verify", file, "--bundle", bundle, "--trust", x.in.Verify)
		if r.code != code || !strings.Contains(r.out, say) {
			t.Errorf("want %d and %q: %+v", code, say, r)
		}
	}
	check(0, shown.out, "VERIFIED")
	var c writ.EvidenceContent
	must(t, json.Unmarshal([]byte(shown.out), &c))
	c.Bytes = slices.Clone(c.Bytes)
	c.Bytes[len(c.Bytes)/2] ^= 1
	bent, err := json.Marshal(c)
	must(t, err)
	check(5, string(bent), "something of them was changed")
	x.wantCLI(t, 0, you, "evidence", "verify", id, "--trust", x.in.Verify)
}
