package testbed

import (
	"context"
	"os"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Tests poll: client-go's default of 5 requests a second would make them wait for their own limiter.
const (
	clientQPS   = 500
	clientBurst = 1000
)

// Config returns a client configuration for the bearer of a token, AdminToken or another. Each call returns a new one,
// with the CA certificate inline, so it works without Dir.
func (c *Cluster) Config(token string) (*rest.Config, error) {
	ca, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            c.Host,
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: ca},
		QPS:             clientQPS,
		Burst:           clientBurst,
	}, nil
}

// Client returns a client for the administrator.
func (c *Cluster) Client(t testing.TB) *kubernetes.Clientset {
	t.Helper()
	return c.ClientAs(t, c.AdminToken)
}

// ClientAs returns a client for the bearer of a token.
func (c *Cluster) ClientAs(t testing.TB, token string) *kubernetes.Clientset {
	t.Helper()
	client, err := c.client(token)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (c *Cluster) client(token string) (*kubernetes.Clientset, error) {
	config, err := c.Config(token)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Token asks for a token of an existing ServiceAccount. The API server gives none for less than ten minutes. Audiences
// are those of the API server unless named.
func (c *Cluster) Token(t testing.TB, namespace, account string, life time.Duration, audiences ...string) string {
	t.Helper()
	seconds := int64(life / time.Second)
	got, err := c.Client(t).CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("token for %s/%s: %v", namespace, account, err)
	}
	return got.Status.Token
}

const (
	// pollEvery is how often a wait looks again.
	pollEvery = 50 * time.Millisecond
	// waitLimit bounds a wait. A rollout takes half a second; a machine that compiles beside it may need long.
	waitLimit = 90 * time.Second
)

// Await polls until done says true, and fails the test when it returns an error or after 90 s. Errors that may pass are
// for done to swallow; what it returned last as a state goes into the failure's text.
func Await(t testing.TB, what string, done func(ctx context.Context) (ok bool, state string, err error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	last := ""
	for {
		ok, state, err := done(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			t.Fatalf("%s: %v", what, err)
		case err == nil && ok:
			return
		case err == nil:
			last = state
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not after %s; last seen: %s", what, waitLimit, last)
		case <-time.After(pollEvery):
		}
	}
}
