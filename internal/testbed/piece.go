package testbed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed" // for the YAML files
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var (
	//go:embed yaml/audit.yaml
	auditPolicy []byte
	//go:embed yaml/logs.yaml
	podLogs string
	//go:embed yaml/stages.yaml
	stages []byte
)

// startEtcd returns the URL of the store.
func (c *Cluster) startEtcd(ctx context.Context) (string, error) {
	data := filepath.Join(c.Dir, "etcd")
	ports, err := c.run(ctx, piece{
		name:  "etcd",
		ports: 2,
		clean: func() error { return os.RemoveAll(data) },
		args: func(p []int) []string {
			client, peer := plainURL(p[0]), plainURL(p[1])
			return []string{
				"--name=testbed", "--data-dir=" + data, "--unsafe-no-fsync", "--log-level=warn",
				"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
				"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
				"--initial-cluster=testbed=" + peer,
			}
		},
		ready: func(ctx context.Context, p []int) error {
			return get(ctx, http.DefaultClient, plainURL(p[0])+"/health", "")
		},
	})
	if err != nil {
		return "", err
	}
	return plainURL(ports[0]), nil
}

// startAPIServer fills the exported fields of c: what a client needs is known once the server is up.
func (c *Cluster) startAPIServer(ctx context.Context, s *secrets, etcd string) error {
	policy := filepath.Join(c.Dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, auditPolicy, 0o600); err != nil {
		return err
	}
	caFile := filepath.Join(s.dir, "apiserver.crt")
	auditLog := filepath.Join(c.Dir, "audit.log")
	ports, err := c.run(ctx, piece{
		name:  "kube-apiserver",
		ports: 1,
		args: func(p []int) []string {
			return []string{
				"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
				"--secure-port=" + strconv.Itoa(p[0]), "--cert-dir=" + s.dir, "--etcd-servers=" + etcd,
				"--authorization-mode=Node,RBAC", "--anonymous-auth=false", "--token-auth-file=" + s.tokens,
				"--service-account-issuer=" + secureURL(p[0]),
				"--service-account-key-file=" + s.publicKey, "--service-account-signing-key-file=" + s.signingKey,
				"--service-cluster-ip-range=10.96.0.0/24",
				"--audit-policy-file=" + policy, "--audit-log-path=" + auditLog,
			}
		},
		ready: func(ctx context.Context, p []int) error {
			client, err := trusting(caFile)
			if err != nil {
				return err
			}
			defer client.CloseIdleConnections()
			return get(ctx, client, secureURL(p[0])+"/readyz", s.admin)
		},
	})
	if err != nil {
		return err
	}
	c.Host, c.CAFile, c.AdminToken, c.AuditLog = secureURL(ports[0]), caFile, s.admin, auditLog
	c.Kubeconfig = filepath.Join(c.Dir, "admin.kubeconfig")
	return writeKubeconfig(c.Kubeconfig, c.Host, c.CAFile, c.AdminToken)
}

func (c *Cluster) startManager(ctx context.Context, s *secrets) error {
	_, err := c.run(ctx, piece{
		name:  "kube-controller-manager",
		ports: 1,
		args: func(p []int) []string {
			return []string{
				"--kubeconfig=" + c.Kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p[0]),
				"--service-account-private-key-file=" + s.signingKey, "--root-ca-file=" + c.CAFile,
			}
		},
		ready: healthz,
	})
	return err
}

func (c *Cluster) startScheduler(ctx context.Context, _ *secrets) error {
	_, err := c.run(ctx, piece{
		name:  "kube-scheduler",
		ports: 1,
		args: func(p []int) []string {
			return []string{"--kubeconfig=" + c.Kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p[0])}
		},
		ready: healthz,
	})
	return err
}

func (c *Cluster) startKwok(ctx context.Context, _ *secrets) error {
	c.podLog = filepath.Join(c.Dir, "pods.log")
	stagesFile, logsFile := filepath.Join(c.Dir, "stages.yaml"), filepath.Join(c.Dir, "logs.yaml")
	for path, content := range map[string][]byte{
		c.podLog:   nil,
		stagesFile: stages,
		logsFile:   []byte(strings.ReplaceAll(podLogs, "@LOG@", c.podLog)),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	_, err := c.run(ctx, piece{
		name:  "kwok",
		ports: 1,
		args: func(p []int) []string {
			port := strconv.Itoa(p[0])
			return []string{
				"--kubeconfig=" + c.Kubeconfig, "--manage-all-nodes=true", "--config=" + stagesFile, "--config=" + logsFile,
				"--server-address=127.0.0.1:" + port, "--node-ip=127.0.0.1", "--node-port=" + port,
				"--cidr=10.0.0.1/24", "--node-lease-duration-seconds=40",
			}
		},
		ready: func(ctx context.Context, p []int) error {
			return get(ctx, http.DefaultClient, plainURL(p[0])+"/healthz", "")
		},
	})
	return err
}

func plainURL(port int) string  { return "http://127.0.0.1:" + strconv.Itoa(port) }
func secureURL(port int) string { return "https://127.0.0.1:" + strconv.Itoa(port) }

// healthz asks a piece that makes a new self-signed certificate in memory at each start: there is nothing to pin, and
// nothing but "ok" is read over the connection.
func healthz(ctx context.Context, ports []int) error {
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer t.CloseIdleConnections()
	return get(ctx, &http.Client{Transport: t}, secureURL(ports[0])+"/healthz", "")
}

func trusting(caFile string) (*http.Client, error) {
	b, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate yet", caFile)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

// get succeeds when url answers 200.
func get(ctx context.Context, client *http.Client, url, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // one probe; there will be another
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
