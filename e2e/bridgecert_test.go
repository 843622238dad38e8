package e2e_test

import (
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
)

// keeps writes an SVID into files of the site and returns their paths.
func (s *site) keeps(t testing.TB, d *trustdomain.Domain, name, path string, life time.Duration) (cert, key string) {
	t.Helper()
	svid, err := d.SVID(path, life)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(svid.Key)
	must(t, err)
	cert, key = filepath.Join(s.dir, name+".pem"), filepath.Join(s.dir, name+".key")
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: svid.Cert}))
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return cert, key
}

// TestTheBridgeCallsWithAClientCertificate connects an agent whose only credential is an X.509-SVID: the bridge shows it in each
// connection, knows the server by its own SVID, and takes a renewed one without a restart. Certificates of others get nothing.
func TestTheBridgeCallsWithAClientCertificate(t *testing.T) {
	t.Parallel()
	domain, other := trustdomain.New(t, "corp.example"), trustdomain.New(t, "elsewhere.example")
	peers := install.Addresses(t, 1)[0]
	var external string
	x := prepareShop(t, func(_ *counter, o *setup.Options) { external = "http://" + o.Listen })
	serverCert, serverKey := x.keeps(t, domain, "server", "/writ", time.Hour)
	bundle, authorities := filepath.Join(x.dir, "bundle.json"), filepath.Join(x.dir, "bundle.pem")
	write(t, bundle, domain.Bundle(t))
	write(t, authorities, domain.Authorities(t))
	x.edit(func(c *config.Server) {
		c.SPIFFE = &config.SPIFFE{
			Listen: peers, SVID: &config.TLSFiles{Cert: serverCert, Key: serverKey}, Bundles: []config.Bundle{{TrustDomain: "corp.example", File: bundle}},
			Agents: []string{"spiffe://corp.example/agents"},
		}
		c.Agents = append(c.Agents, config.Agent{
			Name: "of-spiffe", Iss: "spiffe://corp.example", Sub: "spiffe://corp.example/agents/repair", Team: team, Owner: c.Agents[0].Owner, Roles: []string{"repair"},
		})
	})
	x.start()
	cert, key := x.keeps(t, domain, "agent", "/agents/repair", time.Hour)
	with := func(cert, key, id string) (agent, error) {
		at := &site{bed: x.bed, url: "https://" + peers}
		return at.bridged(t, "", "--client-cert", cert, "--client-key", key, "--ca", authorities, "--server-id", id, "--external-url", external)
	}
	a, err := with(cert, key, "spiffe://corp.example/writ")
	must(t, err)
	if got := a.call(t, "list_playbooks", nil); got.refuse || !strings.Contains(got.text, "rollback-release") {
		t.Errorf("it is answered %s", got.text)
	}
	x.keeps(t, domain, "agent", "/agents/repair", time.Hour) // renewed
	if got := a.call(t, "list_playbooks", nil); got.refuse {
		t.Errorf("with a renewed certificate it is answered %s", got.text)
	}
	if _, err := with(cert, key, "spiffe://corp.example/other"); err == nil {
		t.Error("the bridge speaks to a server of another SPIFFE ID")
	}
	foreign, foreignKey := x.keeps(t, other, "foreign", "/agents/repair", time.Hour)
	if _, err := with(foreign, foreignKey, "spiffe://corp.example/writ"); err == nil {
		t.Error("a certificate of another trust domain is let in")
	}
	stranger, strangerKey := x.keeps(t, domain, "stranger", "/agents/stranger", time.Hour)
	if _, err := with(stranger, strangerKey, "spiffe://corp.example/writ"); err == nil {
		t.Error("an agent that nobody registered is let in")
	}
	for _, args := range [][]string{
		{"--client-cert", cert}, {"--client-cert", cert, "--client-key", key, "--server-id", "no id", "--ca", authorities}, {"--client-cert", cert, "--client-key", key, "--server-id", "spiffe://corp.example/writ"},
		{"--token-file", "env:X", "--server-id", "spiffe://corp.example/writ"}, {"--client-cert", cert, "--client-key", strangerKey},
	} {
		if r := x.run(t, x.dir, append([]string{"mcp", "--server", "https://" + peers}, args...)...); r.code == 0 || r.out != "" || strings.Count(r.err, "\n") > 2 {
			t.Errorf("%v: status %d, %s%s", args, r.code, r.out, r.err)
		}
	}
}
