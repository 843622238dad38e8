package e2e_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// TestD5ManyAsksNeverPassADisruptionBudget: forty asks, ten at once, to restart a deployment of three and to delete its pods,
// on a real control plane. Its owners declared that two must be available; how many are ready is read all the time.
func TestD5ManyAsksNeverPassADisruptionBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs for a minute")
	}
	t.Parallel()
	const asks, atOnce, floor = 40, 10, 2
	s := prepare(t, oneProcess, nil, "floor")
	s.edit(func(c *config.Server) { c.Limits = &config.Limits{Attempts: 1000, AttemptsPerObject: 1000} })
	s.start()
	x := s.healthy(t, "floor")
	k := s.Cluster.Client(t)
	ctx := t.Context()
	two := intstr.FromInt32(floor)
	_, err := k.PolicyV1().PodDisruptionBudgets(x.ns).Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "two"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &two, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": deployment}}},
	}, metav1.CreateOptions{})
	must(t, err)
	// It may take one away at a time, and adds none: every pod that is lost counts.
	_, err = k.AppsV1().Deployments(x.ns).Patch(ctx, deployment, types.MergePatchType,
		[]byte(`{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":1,"maxSurge":0}}}}`), metav1.PatchOptions{})
	must(t, err)
	x.diagnosed()
	id, _ := x.agent(t, diagnoser).observe(t, x.incident, kubernetes.ListPods, x.workload())
	x.evidence = append(x.evidence, id)

	pods := func(ctx context.Context) ([]corev1.Pod, error) {
		l, err := k.CoreV1().Pods(x.ns).List(ctx, metav1.ListOptions{LabelSelector: "app=" + deployment})
		if err != nil {
			return nil, err
		}
		return l.Items, nil
	}
	ready := func(all []corev1.Pod) (names []string) {
		for _, p := range all {
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
					names = append(names, p.Name)
				}
			}
		}
		return names
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	lowest := 3
	var looks int
	var watch sync.WaitGroup
	watch.Go(func() {
		for watching.Err() == nil {
			all, err := pods(watching)
			if err != nil {
				if watching.Err() == nil {
					t.Errorf("pods: %v", err)
				}
				return
			}
			lowest, looks = min(lowest, len(ready(all))), looks+1
			time.Sleep(20 * time.Millisecond) // a look is a list: the control plane has other work too
		}
	})

	var granted, refused atomic.Int64
	var all sync.WaitGroup
	var runs sync.Map // the same ask at the same time is the same run
	for i := range asks {
		if i%atOnce == 0 {
			all.Wait() // and what comes after it may be another
		}
		a := s.connect(t, bearer{s.tokenOf(repairer), http.DefaultTransport})
		all.Go(func() {
			playbook, with := restartOften, x.workload()
			if i%2 == 1 {
				now, err := pods(ctx)
				names := ready(now)
				if err != nil || len(names) == 0 {
					t.Errorf("no pod is ready: %v", err)
					return
				}
				playbook, with["pod"] = deleteOften, names[i%len(names)]
			}
			out := a.propose(t, x.incident, playbook, with, x.evidence...)
			if out.refuse || out.Run == "" {
				refused.Add(1)
				return
			}
			granted.Add(1)
			runs.Store(out.Run, true)
			for state := writ.RunState(""); !state.Final(); {
				state = writ.RunState(a.call(t, "get_run", map[string]any{"run_id": string(out.Run), "wait_seconds": 20}).State)
			}
		})
	}
	all.Wait()
	stop()
	watch.Wait()
	distinct := 0
	runs.Range(func(any, any) bool { distinct++; return true })
	t.Logf("%d asks led to %d runs, %d were refused, never fewer than %d ready in %d looks", granted.Load(), distinct, refused.Load(), lowest, looks)
	if lowest < floor || looks == 0 {
		t.Errorf("only %d pods were ready", lowest)
	}
	if distinct == 0 || granted.Load()+refused.Load() != asks {
		t.Error("nothing ran, or something is not accounted for")
	}
	await(t, "what runs held", func() (bool, string) {
		st, err := s.person.Status(ctx)
		must(t, err)
		for _, l := range st.Services {
			if l.Runs > 0 || len(l.Locks) > 0 {
				return false, "something is held"
			}
		}
		return st.Running == 0, ""
	})
}
