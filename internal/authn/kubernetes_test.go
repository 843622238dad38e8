package authn_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/testbed"
)

// keysFile asks the API server for its issuer's keys, as an operator does with kubectl get --raw /openid/v1/jwks.
func keysFile(t *testing.T, c *testbed.Cluster) string {
	t.Helper()
	b, err := c.Client(t).CoreV1().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// account makes the service account and returns its uid.
func account(t *testing.T, c *testbed.Cluster, namespace, name string) string {
	t.Helper()
	made, err := c.Client(t).CoreV1().ServiceAccounts(namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(made.UID)
}

func remove(t *testing.T, c *testbed.Cluster, namespace, name string) {
	t.Helper()
	if err := c.Client(t).CoreV1().ServiceAccounts(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func clusterIssuer(c *testbed.Cluster, keys, namespace, name, uid string) authn.Issuer {
	return authn.Issuer{
		URL: c.Host, Audience: audience, Kind: writ.KindAgent, Algorithms: []string{"RS256", "ES256"}, KeysFile: keys, Form: authn.FormKubernetes,
		Workloads: []authn.Workload{{Sub: "repair", Match: map[string]string{"namespace": namespace, "service_account": name, "uid": uid}}},
	}
}

func clusterAuth(t *testing.T, i authn.Issuer) *authn.Authenticator {
	t.Helper()
	a, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, ExternalURL: external, Memory: newMemory(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// proved is a request with a token and a proof by a new key.
func proved(t *testing.T, raw string) *http.Request {
	t.Helper()
	return request(raw, proof(t, holderKey(t), raw, time.Now()))
}

func TestAServiceAccountsTokenIsItsWorkloadWithAProof(t *testing.T) {
	c := shared.Cluster(t)
	ns, other := c.Namespace(t), c.Namespace(t)
	uid := account(t, c, ns, "repair")
	account(t, c, ns, "web")
	account(t, c, other, "repair")
	keys := keysFile(t, c)
	a := clusterAuth(t, clusterIssuer(c, keys, ns, "repair", uid))
	raw, key := c.Token(t, ns, "repair", 10*time.Minute, audience), holderKey(t)
	me := writ.Principal{Kind: writ.KindAgent, Iss: c.Host, Sub: "repair"}

	wantCode(t, "no proof", a, request(raw), authn.CodeProofMissing)
	wantAgent(t, "with a proof", a, request(raw, proof(t, key, raw, time.Now())), me)
	wantAgent(t, "again", a, request(raw, proof(t, key, raw, time.Now())), me)
	wantCode(t, "a thief's proof", a, proved(t, raw), authn.CodeHolder)
	for name, row := range map[string]struct {
		token string
		code  authn.Code
	}{
		"for the API server":            {c.Token(t, ns, "repair", 10*time.Minute), authn.CodeAudience},
		"for two audiences":             {c.Token(t, ns, "repair", 10*time.Minute, audience, "https://other.example"), authn.CodeAudience}, // trap 3
		"for eleven minutes":            {c.Token(t, ns, "repair", 11*time.Minute, audience), authn.CodeLife},
		"of another account":            {c.Token(t, ns, "web", 10*time.Minute, audience), authn.CodeWorkloadUnknown},
		"of the same name somewhere":    {c.Token(t, other, "repair", 10*time.Minute, audience), authn.CodeWorkloadUnknown},
		"without its signature's bytes": {raw[:strings.LastIndex(raw, ".")] + ".AAAA", authn.CodeSignature},
	} {
		wantCode(t, name, a, proved(t, row.token), row.code)
	}
}

func TestPitfall04ARecreatedServiceAccountOfTheSameNameIsRefused(t *testing.T) {
	c := shared.Cluster(t)
	ns := c.Namespace(t)
	uid := account(t, c, ns, "repair")
	a := clusterAuth(t, clusterIssuer(c, keysFile(t, c), ns, "repair", uid))
	wantAgent(t, "the first", a, proved(t, c.Token(t, ns, "repair", 10*time.Minute, audience)), writ.Principal{Kind: writ.KindAgent, Iss: c.Host, Sub: "repair"})
	remove(t, c, ns, "repair")
	if again := account(t, c, ns, "repair"); again == uid {
		t.Fatal("the same uid")
	}
	wantCode(t, "the second", a, proved(t, c.Token(t, ns, "repair", 10*time.Minute, audience)), authn.CodeWorkloadUnknown)
}

// reviewer makes an account that may create token reviews and nothing else, and returns a file with its token.
func reviewer(t *testing.T, c *testbed.Cluster, ns string) string {
	t.Helper()
	account(t, c, ns, "writ-reviewer")
	k, name := c.Client(t), "writ-reviewer-"+ns
	_, err := k.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "writ-reviewer"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(c.Token(t, ns, "writ-reviewer", time.Hour)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPitfall04ADeletedPodsTokenIsRefusedWhereTheClusterIsAsked(t *testing.T) {
	c := shared.Cluster(t)
	ns := c.Namespace(t)
	uid := account(t, c, ns, "repair")
	i := clusterIssuer(c, keysFile(t, c), ns, "repair", uid)
	offline := clusterAuth(t, i)
	i.Review = &authn.Review{URL: c.Host, CAFile: c.CAFile, TokenFile: reviewer(t, c, ns)}
	asking := clusterAuth(t, i)
	pods := c.Client(t).CoreV1().Pods(ns)
	grace := int64(0)
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "repair-1"},
		Spec: corev1.PodSpec{
			ServiceAccountName: "repair", TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{Name: "repair", Image: "repair:1"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seconds := int64(600)
	got, err := c.Client(t).CoreV1().ServiceAccounts(ns).CreateToken(t.Context(), "repair", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{audience}, ExpirationSeconds: &seconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raw, key := got.Status.Token, holderKey(t)
	me := writ.Principal{Kind: writ.KindAgent, Iss: c.Host, Sub: "repair"}
	// The account's right to ask may take a moment to be known.
	testbed.Await(t, "the pod's token", func(context.Context) (bool, string, error) {
		p, code, err := asking.Explain(t.Context(), request(raw, proof(t, key, raw, time.Now())))
		return err == nil && p == me, string(code), nil
	})
	if err := pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, "the pod's end", func(ctx context.Context) (bool, string, error) {
		_, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), "there", nil
	})
	testbed.Await(t, "the refusal", func(context.Context) (bool, string, error) { // the API server keeps its answer for 10 s
		_, code, _ := asking.Explain(t.Context(), request(raw, proof(t, key, raw, time.Now())))
		return code == authn.CodeReviewRefused, string(code), nil
	})
	wantAgent(t, "without asking", offline, proved(t, raw), me) // which is why the mode exists

	i.Review.TokenFile = filepath.Join(t.TempDir(), "none")
	wantCode(t, "without the reviewer's token", clusterAuth(t, i), proved(t, raw), authn.CodeReviewUnavailable)
}

func TestAWrongConfigurationOfWorkloadsIsRefused(t *testing.T) {
	good := authn.Issuer{
		URL: "https://cluster.example", Audience: audience, Kind: writ.KindAgent, Algorithms: []string{"RS256"}, Form: authn.FormKubernetes,
		Workloads: []authn.Workload{{Sub: "repair", Match: map[string]string{"namespace": "a", "service_account": "repair", "uid": "1"}}},
	}
	match := func(name, value string) func(*authn.Issuer) {
		return func(i *authn.Issuer) {
			m := map[string]string{"namespace": "a", "service_account": "repair", "uid": "1"}
			if m[name] = value; value == "" {
				delete(m, name)
			}
			i.Workloads = []authn.Workload{{Sub: "repair", Match: m}}
		}
	}
	for name, change := range map[string]func(*authn.Issuer){
		"an unknown form":           func(i *authn.Issuer) { i.Form = "gitlab" },
		"no workloads":              func(i *authn.Issuer) { i.Workloads = nil },
		"no uid":                    match("uid", ""),
		"no namespace":              match("namespace", ""),
		"sub beside it":             match("sub", "x"),
		"a bearer":                  func(i *authn.Issuer) { i.Replay = authn.ReplayBearer },
		"once":                      func(i *authn.Issuer) { i.Replay = authn.ReplayOnce },
		"an unknown rule":           func(i *authn.Issuer) { i.Replay = "never" },
		"a human":                   func(i *authn.Issuer) { i.Kind = writ.KindHuman },
		"a subject claim, too":      func(i *authn.Issuer) { i.Subject = "name" },
		"a review over plain HTTP":  func(i *authn.Issuer) { i.Review = &authn.Review{URL: "http://127.0.0.1:1", TokenFile: "x"} },
		"a review without a token":  func(i *authn.Issuer) { i.Review = &authn.Review{URL: "https://127.0.0.1:1"} },
		"GitHub without its claims": func(i *authn.Issuer) { i.Form = authn.FormGitHub },
		"two of one name":           func(i *authn.Issuer) { i.Workloads = append(i.Workloads, i.Workloads[0]) },
		"a review of OIDC": func(i *authn.Issuer) {
			i.Form, i.Workloads, i.Review = authn.FormOIDC, nil, &authn.Review{URL: "https://127.0.0.1:1", TokenFile: "x"}
		},
	} {
		i := good
		change(&i)
		if _, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, ExternalURL: external, Memory: newMemory(), Now: time.Now}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := authn.New(authn.Config{Issuers: []authn.Issuer{good}, ExternalURL: external, Now: time.Now}); err == nil {
		t.Error("without a memory: accepted")
	}
	if _, err := authn.New(authn.Config{Issuers: []authn.Issuer{good}, ExternalURL: external, Memory: newMemory(), Now: time.Now}); err != nil {
		t.Error(err)
	}
}
