package e2e_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/writ-dev/writ"
)

// admits asks the API server, by a dry run of a creation, whether it would take a pod of the Deployment's template now.
func (x *scene) admits() error {
	x.t.Helper()
	t := x.now().Spec.Template
	pod := &corev1.Pod{ObjectMeta: *t.ObjectMeta.DeepCopy(), Spec: *t.Spec.DeepCopy()}
	pod.Namespace, pod.GenerateName = x.ns, "probe-"
	_, err := x.kube.CoreV1().Pods(x.ns).Create(x.t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// recreated has one pod deleted and waits until its controller has made another in its place. The bed runs no containers:
// its pods are admitted, stored and called ready.
func (x *scene) recreated() {
	x.t.Helper()
	before := x.pods()
	must(x.t, x.kube.CoreV1().Pods(x.ns).Delete(x.t.Context(), before[0], metav1.DeleteOptions{}))
	await(x.t, "another pod in place of "+before[0], func() (bool, string) {
		now := x.pods()
		return len(now) == len(before) && !slices.Contains(now, before[0]), x.now().Status.String()
	})
	x.AwaitRollout(x.t, x.ns, deployment)
}

// TestUND13AnUndoneTemplateAdmitsANewPod: pods that stand say nothing about the next one. Admission refuses pods of the template
// that a run made, while those from before it stand healthy; after the undo it takes one, and a pod that is deleted is made anew.
func TestUND13AnUndoneTemplateAdmitsANewPod(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "admitted")
	x := s.healthy(t, "admitted").diagnosed()
	must(t, x.admits())
	x.signed(x.raise().Plan, writ.RunSucceeded)
	_, err := x.kube.CoreV1().LimitRanges(x.ns).Create(t.Context(), &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Name: "small"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("200Mi")}}}},
	}, metav1.CreateOptions{})
	must(t, err)
	await(t, "pods of the raised template to be refused", func() (bool, string) { return x.admits() != nil, "a pod is admitted" })
	x.AwaitRollout(t, x.ns, deployment) // and by its status all is well

	x.wantCLI(t, 8, rob, "incident", "undo", string(x.incident), "--reason", "it was not the memory", "--wait=false")
	x.signed(x.turn(0).Plan, writ.RunSucceeded)
	x.AwaitRollout(t, x.ns, deployment)
	if err := x.admits(); err != nil {
		t.Errorf("the template that was put back admits no pod: %v", err)
	}
	x.recreated()
	s.explains(t)
	s.verified(t)
}
