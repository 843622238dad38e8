package testbed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// BrokenImage is what an image's name must contain for its pods never to start.
const BrokenImage = "broken"

// CrashAnnotation on a pod, with the value "true", sends it to CrashLoopBackOff 300 ms after it became Ready.
const CrashAnnotation = "sim/crash"

// Namespace makes a namespace with a random name and deletes it, without waiting for that, when the test ends.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	name := "t-" + strings.ToLower(rand.Text()[:12])
	client := c.Client(t)
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatalf("namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // t.Context has ended by now
		defer cancel()
		if err := client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("namespace %s: %v", name, err)
		}
	})
	// Pods are refused until the controller manager has made the account they run under.
	Await(t, "default ServiceAccount of "+name, func(ctx context.Context) (bool, string, error) {
		_, err := client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, "not found", nil
		}
		return err == nil, "", err
	})
	return name
}

// Deployment creates a Deployment with one container, named like it, and the label app=name, and waits for it as
// RollOut does. It returns the object as it then stands.
func (c *Cluster) Deployment(t testing.TB, namespace, name, image string, replicas int32) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": name}
	grace := int64(0) // simulated containers have nothing to finish
	_, err := c.Client(t).AppsV1().Deployments(namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: &grace,
					Containers:                    []corev1.Container{{Name: name, Image: image}},
				},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("deployment %s/%s: %v", namespace, name, err)
	}
	return c.settle(t, namespace, name, image)
}

// RollOut gives the first container of a Deployment another image, and so a new revision. It returns when the revision
// is complete: every replica runs it and is available, and no older pod counts. With an image that never starts it
// returns when a pod of the new revision is in ImagePullBackOff.
func (c *Cluster) RollOut(t testing.TB, namespace, name, image string) *appsv1.Deployment {
	t.Helper()
	patch, err := json.Marshal([]map[string]string{{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Client(t).AppsV1().Deployments(namespace).Patch(t.Context(), name, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatalf("deployment %s/%s: %v", namespace, name, err)
	}
	return c.settle(t, namespace, name, image)
}

func (c *Cluster) settle(t testing.TB, namespace, name, image string) *appsv1.Deployment {
	t.Helper()
	if strings.Contains(image, BrokenImage) {
		c.awaitPod(t, namespace, name, "ImagePullBackOff", image)
		return c.current(t, namespace, name)
	}
	return c.AwaitRollout(t, namespace, name)
}

func (c *Cluster) current(t testing.TB, namespace, name string) *appsv1.Deployment {
	t.Helper()
	d, err := c.Client(t).AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("deployment %s/%s: %v", namespace, name, err)
	}
	return d
}

// AwaitRollout waits until a Deployment's newest revision is complete and returns it.
func (c *Cluster) AwaitRollout(t testing.TB, namespace, name string) *appsv1.Deployment {
	t.Helper()
	client := c.Client(t).AppsV1().Deployments(namespace)
	var d *appsv1.Deployment
	Await(t, fmt.Sprintf("rollout of %s/%s", namespace, name), func(ctx context.Context) (bool, string, error) {
		var err error
		if d, err = client.Get(ctx, name, metav1.GetOptions{}); err != nil {
			return false, "", err
		}
		return Complete(d), fmt.Sprintf("generation %d, status %+v", d.Generation, d.Status), nil
	})
	return d
}

// Complete says whether every replica of a Deployment runs its newest revision and is available.
func Complete(d *appsv1.Deployment) bool {
	want, s := int32(1), d.Status
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.AvailableReplicas == want && s.Replicas == want
}

// AwaitPod waits until a container of a pod with the label app=name waits for the given reason, such as
// ImagePullBackOff or CrashLoopBackOff, and returns that pod's name.
func (c *Cluster) AwaitPod(t testing.TB, namespace, name, reason string) string {
	t.Helper()
	return c.awaitPod(t, namespace, name, reason, "")
}

// awaitPod is AwaitPod for containers with the given image, or with any if it is empty.
func (c *Cluster) awaitPod(t testing.TB, namespace, name, reason, image string) string {
	t.Helper()
	client := c.Client(t).CoreV1().Pods(namespace)
	found := ""
	Await(t, fmt.Sprintf("pod of %s/%s in %s", namespace, name, reason), func(ctx context.Context) (bool, string, error) {
		pods, err := client.List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
		if err != nil {
			return false, "", err
		}
		var seen []string
		for _, p := range pods.Items {
			seen = append(seen, p.Name+" "+string(p.Status.Phase))
			for _, s := range p.Status.ContainerStatuses {
				if s.State.Waiting != nil && s.State.Waiting.Reason == reason && (image == "" || s.Image == image) {
					found = p.Name
					return true, "", nil
				}
			}
		}
		return false, strings.Join(seen, ", "), nil
	})
	return found
}
