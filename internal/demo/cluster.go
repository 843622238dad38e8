package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/writ-dev/writ"
	kube "github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/setup"
)

// cluster plays on a real Kubernetes API, in a namespace of its own. The demonstration itself stands in for
// Alertmanager there: it posts version-4 webhooks about what it has broken.
type cluster struct {
	client     *kubernetes.Clientset
	kubeconfig string
	namespace  string
	progress   func(string, ...any)
	url, token string
	firing     map[string]bool
	before     string
	generation map[string]int64
}

// Deployments of the namespace, and images that every cluster can and cannot pull.
const (
	checkout    = "checkout"
	payments    = "payments"
	goodImage   = "registry.k8s.io/pause:3.9"
	newImage    = "registry.k8s.io/pause:3.10"
	brokenImage = "registry.k8s.io/pause:broken-0"
	readyWithin = 90 * time.Second
)

func openCluster(ctx context.Context, o Options) (*cluster, error) {
	file, err := filepath.Abs(o.Kubeconfig) // the runner's configuration lies in a directory of its own
	if err != nil {
		return nil, err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, unusable(writ.ErrInvalid, o.Kubeconfig, err)
	}
	cfg.QPS, cfg.Burst = 50, 100
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, unusable(writ.ErrInvalid, o.Kubeconfig, err)
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	c := &cluster{
		client: client, kubeconfig: file, namespace: "writ-demo-" + hex.EncodeToString(b[:]), firing: map[string]bool{}, generation: map[string]int64{},
		progress: func(f string, a ...any) { fmt.Fprintf(o.Progress, f+"\n", a...) },
	}
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}, metav1.CreateOptions{}); err != nil {
		return nil, unusable(writ.ErrUnavailable, o.Kubeconfig, err)
	}
	for _, name := range []string{checkout, payments} {
		if err := c.deploy(ctx, name); err != nil {
			c.close()
			return nil, err
		}
	}
	c.progress("namespace %s has two deployments with three replicas each", c.namespace)
	return c, nil
}

// unusable says why there is no cluster to play on.
func unusable(kind error, kubeconfig string, err error) error {
	return &writ.Refusal{
		Code: writ.ReasonUnreachable, Kind: kind, Detail: "the cluster of --kubeconfig cannot be used: " + writ.Printable(err.Error(), 300),
		Hint: "kubectl --kubeconfig " + writ.Printable(kubeconfig, 200) + " create namespace must work; without --kubeconfig the demo brings its own target",
	}
}

// close removes the namespace and all in it.
func (c *cluster) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.client.CoreV1().Namespaces().Delete(ctx, c.namespace, metav1.DeleteOptions{}); err != nil {
		c.progress("namespace %s could not be removed: %v", c.namespace, err)
	}
}

// deploy makes a deployment with a history of two good revisions and waits until it is ready.
func (c *cluster) deploy(ctx context.Context, name string) error {
	replicas := int32(3)
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: goodImage}}},
			},
		},
	}
	if _, err := c.client.AppsV1().Deployments(c.namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil {
		return err
	}
	return c.ready(ctx, name)
}

func (c *cluster) change(ctx context.Context, name string, f func(*appsv1.Deployment)) error {
	for {
		d, err := c.client.AppsV1().Deployments(c.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		f(d)
		_, err = c.client.AppsV1().Deployments(c.namespace).Update(ctx, d, metav1.UpdateOptions{})
		if err == nil || !strings.Contains(err.Error(), "modified") {
			return err
		}
	}
}

func (c *cluster) ready(ctx context.Context, name string) error {
	return c.until(ctx, name+" is ready", func(d *appsv1.Deployment) bool {
		s := d.Status
		return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == *d.Spec.Replicas && s.ReadyReplicas == *d.Spec.Replicas && s.Replicas == *d.Spec.Replicas
	})
}

func (c *cluster) until(ctx context.Context, what string, ok func(*appsv1.Deployment) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	name, _, _ := strings.Cut(what, " ")
	for {
		d, err := c.client.AppsV1().Deployments(c.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if ok(d) {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waited %s until %s: %w", readyWithin, what, ctx.Err())
		}
	}
}

func (c *cluster) target() (setup.Target, error) {
	return setup.Target{Location: "kubernetes://demo", Kubeconfig: c.kubeconfig, Catalogue: kube.Catalogue()}, nil
}

func (c *cluster) services() []byte {
	var b bytes.Buffer
	for name, team := range map[string]string{checkout: "checkout", payments: "payments"} {
		fmt.Fprintf(&b, "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: %[1]s\n  annotations:\n    writ.dev/environment: prod\n    writ.dev/locations: kubernetes://demo/%[2]s/deployment/%[1]s\nspec: {type: service, lifecycle: production, owner: %[3]s}\n",
			name, c.namespace, team)
	}
	return b.Bytes()
}

func (c *cluster) groups() []string           { return []string{"checkout", "checkout-oncall", "payments"} }
func (c *cluster) playbooks() [][]byte        { return clusterPlaybooks() }
func (c *cluster) alertsTo(url, token string) { c.url, c.token = url, token }
