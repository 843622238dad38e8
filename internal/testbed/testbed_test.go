package testbed_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/writ-dev/writ/internal/testbed"
)

var shared testbed.Shared

func TestMain(m *testing.M) { testbed.Main(m, &shared) }

func TestClusterHasThreeReadyNodesAndAKubeconfigThatWorks(t *testing.T) {
	c := shared.Cluster(t)
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil || !strings.HasPrefix(version.GitVersion, "v1.") {
		t.Fatalf("server version %v, error %v", version, err)
	}
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 3 {
		t.Fatalf("want three nodes, got %d, error %v", len(nodes.Items), err)
	}
	if !strings.HasPrefix(c.Host, "https://127.0.0.1:") {
		t.Errorf("host %q is not on the loopback", c.Host)
	}
}

func TestDeploymentBecomesReadyAndABrokenImageDoesNot(t *testing.T) {
	c := shared.Cluster(t)
	ns := c.Namespace(t)
	d := c.Deployment(t, ns, "api", "api:1", 3)
	if !testbed.Complete(d) || d.Status.ReadyReplicas != 3 {
		t.Fatalf("not complete: %+v", d.Status)
	}
	d = c.RollOut(t, ns, "api", "api:broken")
	if testbed.Complete(d) {
		t.Fatalf("a revision that cannot start is complete: %+v", d.Status)
	}
	if got := d.Annotations["deployment.kubernetes.io/revision"]; got != "2" {
		t.Errorf("want revision 2, got %q", got)
	}
	d = c.RollOut(t, ns, "api", "api:1")
	if !testbed.Complete(d) {
		t.Errorf("the old image does not repair it: %+v", d.Status)
	}
}

func TestPodWithTheCrashAnnotationCrashes(t *testing.T) {
	c := shared.Cluster(t)
	ns := c.Namespace(t)
	c.Deployment(t, ns, "api", "api:1", 1)
	patch := []byte(`{"spec":{"template":{"metadata":{"annotations":{"` + testbed.CrashAnnotation + `":"true"}}}}}`)
	if _, err := c.Client(t).AppsV1().Deployments(ns).Patch(t.Context(), "api", types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	pod, err := c.Client(t).CoreV1().Pods(ns).Get(t.Context(), c.AwaitPod(t, ns, "api", "CrashLoopBackOff"), metav1.GetOptions{})
	if err != nil || pod.Status.ContainerStatuses[0].LastTerminationState.Terminated.Reason != "OOMKilled" {
		t.Errorf("%v %+v", err, pod.Status)
	}
}

func TestDeletedPodGoesAndIsReplaced(t *testing.T) {
	c := shared.Cluster(t)
	ns := c.Namespace(t)
	c.Deployment(t, ns, "api", "api:1", 1)
	pods := c.Client(t).CoreV1().Pods(ns)
	list, err := pods.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%v %d pods", err, len(list.Items))
	}
	old := list.Items[0].Name
	if err := pods.Delete(t.Context(), old, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, "the end of "+old, func(ctx context.Context) (bool, string, error) {
		_, err := pods.Get(ctx, old, metav1.GetOptions{})
		return apierrors.IsNotFound(err), "still there", nil
	})
	c.AwaitRollout(t, ns, "api")
}

func TestPodShowsTheLinesThatATestWrote(t *testing.T) {
	c := shared.Cluster(t)
	ns := c.Namespace(t)
	c.Deployment(t, ns, "api", "api:1", 1)
	if err := c.WriteLog("connection refused: payments", "giving up"); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteLog("two\nlines"); err == nil {
		t.Error("a line break was taken")
	}
	list, err := c.Client(t).CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%v %d pods", err, len(list.Items))
	}
	stream, err := c.Client(t).CoreV1().Pods(ns).GetLogs(list.Items[0].Name, &corev1.PodLogOptions{}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	got, err := io.ReadAll(stream)
	if err != nil || string(got) != "connection refused: payments\ngiving up\n" {
		t.Errorf("%v %q", err, got)
	}
}

// The order of the lease's end, and what it buys: without the binding the token still names somebody, who may do nothing.
func TestTokenIsPowerlessOnceItsBindingIsGone(t *testing.T) {
	c := shared.Cluster(t)
	ns := c.Namespace(t)
	c.Deployment(t, ns, "api", "api:1", 1)
	admin := c.Client(t)
	meta := metav1.ObjectMeta{Name: "lease"}
	if _, err := admin.CoreV1().ServiceAccounts(ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.RbacV1().Roles(ns).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"api"}, Verbs: []string{"get"}},
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.RbacV1().RoleBindings(ns).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "lease"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "lease"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	leased := c.ClientAs(t, c.Token(t, ns, "lease", 10*time.Minute)).AppsV1().Deployments(ns)
	testbed.Await(t, "the lease's power", func(ctx context.Context) (bool, string, error) { // RBAC is read through a watch
		_, err := leased.Get(ctx, "api", metav1.GetOptions{})
		return err == nil, "", allowForbidden(err)
	})
	if _, err := leased.Get(t.Context(), "other", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another object: want forbidden, got %v", err)
	}
	if err := admin.RbacV1().RoleBindings(ns).Delete(t.Context(), "lease", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, "403 for the lease", func(ctx context.Context) (bool, string, error) {
		_, err := leased.Get(ctx, "api", metav1.GetOptions{})
		return apierrors.IsForbidden(err), "still allowed", allowForbidden(err)
	})
	if !audited(t, c.AuditLog, "system:serviceaccount:"+ns+":lease", "get") {
		t.Error("the audit log does not show what the lease did")
	}
}

func allowForbidden(err error) error {
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

func audited(t *testing.T, path, user, verb string) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return false
		}
		var event struct {
			Verb string
			User struct{ Username string }
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatalf("audit log: %v", err)
		}
		if event.User.Username == user && event.Verb == verb {
			return true
		}
	}
}
