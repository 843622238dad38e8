package crash_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/internal/testbed"
)

// theCluster is the one control plane of Kubernetes of this test binary, with the accounts that Writ's manifest makes.
// Every site has a namespace of its own in it.
var theCluster struct {
	testbed.Shared
	accounts sync.Once
	err      error
}

const (
	production = writ.Location("kubernetes://prod")
	deployment = "api"
	// accountLife is longer than a whole run of the tests.
	accountLife = 2 * time.Hour
)

// kubernetesScenarios are the repairs of a Deployment.
var kubernetesScenarios = []scenario{
	{name: "success", playbook: "helps", ends: writ.RunSucceeded, with: scale},
	{name: "undo", playbook: "helps-not", ends: writ.RunUndone, with: scale},
}

// onKubernetes gives the site a Deployment to repair.
func onKubernetes(s *site) {
	s.plane, s.scenarios, s.books = &clusterPlane{tokens: map[string]string{}}, kubernetesScenarios, "kubernetes"
}

// clusterPlane is a namespace of the cluster, behind a gate that keeps the tokens that pass it.
type clusterPlane struct {
	cluster   *testbed.Cluster
	admin     *client.Clientset // whoever is not Writ
	http      *http.Client
	namespace string
	read      int64 // of the API server's audit log

	mu     sync.Mutex
	tokens map[string]string // by the account of a lease
}

func (p *clusterPlane) open(s *site) (setup.Target, []string) {
	t := s.t
	t.Helper()
	p.cluster = theCluster.Cluster(t)
	p.admin = p.cluster.Client(t)
	theCluster.accounts.Do(func() { theCluster.err = install.Accounts(p.admin, filepath.Join("..", "..")) })
	must(t, theCluster.err)
	ca, err := os.ReadFile(p.cluster.CAFile)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 32}
	p.http = &http.Client{Transport: transport}
	to, err := url.Parse(p.cluster.Host)
	must(t, err)
	on := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.WriteHeader(http.StatusBadGateway)
	}}
	gate := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.note(r)
		on.ServeHTTP(w, r)
	}))
	t.Cleanup(gate.Close)
	p.namespace = p.cluster.Namespace(t)
	p.cluster.Deployment(t, p.namespace, deployment, "api:1", 3)
	kubeconfig := func(name, account string) string {
		file := filepath.Join(s.dir, name)
		must(t, os.WriteFile(file, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, gate.URL, base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gate.Certificate().Raw})),
			p.cluster.Token(t, "writ-system", account, accountLife)), 0o600))
		return file
	}
	return setup.Target{
		Location: production, Catalogue: kubernetes.Catalogue(), Namespace: "writ-leases",
		Kubeconfig: kubeconfig("minter.kubeconfig", "writ-minter"), Reader: kubeconfig("reader.kubeconfig", "writ-reader"),
	}, []string{string(production) + "/" + p.namespace}
}

// leaseAccount begins the name of every account that is a lease.
const leaseAccount = "writ-0"

// note keeps the token of a call if it is a lease's.
func (p *clusterPlane) note(r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return
	}
	b, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		return
	}
	var claims struct {
		Sub string `json:"sub"`
	}
	if json.Unmarshal(b, &claims) != nil {
		return
	}
	if account := claims.Sub[strings.LastIndex(claims.Sub, ":")+1:]; strings.HasPrefix(account, leaseAccount) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tokens[account] = token
	}
}

func (p *clusterPlane) status(string) (writ.Location, writ.OperationName, writ.Parameters) {
	return production, kubernetes.WorkloadStatus, writ.Parameters{
		"kind": writ.String("deployment"), "namespace": writ.String(p.namespace), "name": writ.String(deployment),
	}
}

// stillFor is how long the Deployment must not have changed before it is looked at: a plan is for exactly one version of
// an object, and the cluster's controllers write to it for a while after each change.
const stillFor = time.Second

func (p *clusterPlane) look(string) (v storefront.View, err error) {
	version, since := "", time.Now()
	err = until("the controllers", func() (bool, string) {
		d, err := p.admin.AppsV1().Deployments(p.namespace).Get(context.Background(), deployment, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		if d.ResourceVersion != version || !testbed.Complete(d) {
			version, since = d.ResourceVersion, time.Now()
		}
		v = storefront.View{Release: d.Spec.Template.Spec.Containers[0].Image, Replicas: int(*d.Spec.Replicas)}
		return time.Since(since) >= stillFor, fmt.Sprintf("%+v", d.Status)
	})
	return v, err
}

// changes are the accounts that have changed the Deployment since the last call, by the API server's own record.
func (p *clusterPlane) changes() (accounts []string, err error) {
	f, err := os.Open(p.cluster.AuditLog)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size()-p.read)
	if _, err := f.ReadAt(b, p.read); err != nil {
		return nil, err
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1] // a line that is being written is of somebody else: a change is recorded before it is answered
	p.read += int64(len(b))
	for line := range bytes.Lines(b) {
		var a struct {
			Verb   string                               `json:"verb"`
			URI    string                               `json:"requestURI"`
			User   struct{ Username string }            `json:"user"`
			Object struct{ Resource, Namespace string } `json:"objectRef"`
			Answer struct{ Code int }                   `json:"responseStatus"`
		}
		if err := json.Unmarshal(line, &a); err != nil {
			return nil, err
		}
		account := a.User.Username[strings.LastIndex(a.User.Username, ":")+1:]
		if a.Object.Namespace == p.namespace && a.Object.Resource == "deployments" && slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, a.Verb) &&
			a.Answer.Code < 300 && strings.HasPrefix(account, "writ-") && !strings.Contains(a.URI, "dryRun=") {
			accounts = append(accounts, account)
		}
	}
	return accounts, nil
}

func (p *clusterPlane) once(r repair) []error {
	accounts, err := p.changes()
	if err != nil {
		return []error{err}
	}
	var errs []error
	want := map[writ.RunState]int{writ.RunSucceeded: 1}[r.run.State]
	if n := len(accounts); n != want && !(want == 0 && n == 2) { // a step and its undo
		errs = append(errs, fmt.Errorf("the run is %s, and the API server recorded %d changes, by %q", r.run.State, n, accounts))
	}
	for i, a := range accounts {
		if !strings.HasPrefix(a, leaseAccount) || slices.Contains(accounts[:i], a) {
			errs = append(errs, fmt.Errorf("a change by the account %s, of %q", a, accounts))
		}
	}
	return errs
}

// powerless shows every token of a lease that was ever seen to the API server itself, and looks for what is left of the
// run's leases wherever it can stand.
func (p *clusterPlane) powerless(_ string, run writ.RunID) []error {
	var errs []error
	p.mu.Lock()
	defer p.mu.Unlock()
	for account, token := range p.tokens {
		r, err := http.NewRequest(http.MethodGet, p.cluster.Host+"/api", nil)
		if err != nil {
			return append(errs, err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := p.http.Do(r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			errs = append(errs, fmt.Errorf("the token of %s is answered with %d", account, resp.StatusCode))
		}
	}
	ctx, of := context.Background(), metav1.ListOptions{LabelSelector: "writ.dev/run=" + strings.ToLower(string(run))}
	accounts, err := p.admin.CoreV1().ServiceAccounts("").List(ctx, of)
	if err != nil {
		return append(errs, err)
	}
	roles, err := p.admin.RbacV1().Roles("").List(ctx, of)
	if err != nil {
		return append(errs, err)
	}
	bindings, err := p.admin.RbacV1().RoleBindings("").List(ctx, of)
	if err != nil {
		return append(errs, err)
	}
	if n := len(accounts.Items) + len(roles.Items) + len(bindings.Items); n != 0 {
		errs = append(errs, fmt.Errorf("%d objects of the leases of %s are left", n, run))
	}
	return errs
}

// mainPoints are those of a run at which its runner is killed on Kubernetes.
var mainPoints = []fault.Op{
	fault.JournalSpent, fault.JournalIntent, fault.JournalProved, fault.JournalMinting, fault.TargetMint, fault.JournalHandle, fault.TargetDo, fault.JournalEffect,
	fault.JournalTurned, fault.JournalUndo, fault.TargetUndo, fault.JournalUndone, fault.JournalRevoking, fault.TargetRevoke, fault.JournalRevoked,
	fault.TargetProbe, fault.JournalProbed,
}

// TestD02KilledAtTheMainPointsOnKubernetes kills runner and server at the main points of a run on a real API server: the
// lease, the intent, the call, its effect, the undo, the revocation, the probe. The demands are those of the matrix.
func TestD02KilledAtTheMainPointsOnKubernetes(t *testing.T) {
	var cases []kill
	for i, passed := range traces(t, kubernetesScenarios, onKubernetes) {
		sc := kubernetesScenarios[i]
		for _, k := range passed.kills(sc, threeProcesses) {
			undoes := slices.Contains([]fault.Op{fault.JournalTurned, fault.JournalUndo, fault.TargetUndo, fault.JournalUndone}, k.op)
			switch {
			case k.process == "runner" && slices.Contains(mainPoints, k.op) && k.n == 1 && (sc.name == "success" || undoes):
			case k.process == "runner" && sc.name == "undo" && slices.Contains([]fault.Op{fault.TargetMint, fault.TargetRevoke, fault.TargetProbe}, k.op) && k.n == 2: // of the lease to undo with
			case k.op == fault.ControlGrant && sc.name == "success":
			case k.op == fault.StoreCommit && sc.name == "success" && k.side == "after": // every entry of the run among them
			default:
				continue
			}
			cases = append(cases, k)
		}
	}
	if !full() {
		short := []fault.Op{fault.TargetMint, fault.TargetDo, fault.TargetUndo, fault.TargetRevoke}
		cases = slices.DeleteFunc(cases, func(k kill) bool { return !slices.Contains(short, k.op) || k.side == "before" || k.n != 1 })
	}
	report(t, columnKubernetes, playAll(t, cases, onKubernetes))
}
