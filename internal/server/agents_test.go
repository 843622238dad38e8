package server_test

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server/servertest"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/testbed"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
	"github.com/writ-dev/writ/internal/token"
)

// start starts signer and server of a new installation, as their processes do, and returns the server's configuration.
func start(t *testing.T, change func(*config.Server)) config.Server {
	t.Helper()
	in := servertest.Install(t, func(o *setup.Options) {
		o.Agents = []setup.Agent{{Name: "fixer", Team: "payments", Owner: "bo", Roles: []string{"repair"}}}
	})
	c, sc := servertest.Load(t, in)
	change(&c)
	servertest.Serve(t, c, sc)
	return c
}

// answer sends a request and returns status and body.
func answer(t *testing.T, c *http.Client, method, url, body string, header ...string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.Status + " " + string(b), err
}

const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`

func TestAgentsOfSPIFFEReachTheirDoorAndTheServer(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	agents := servertest.Addresses(t, 1)[0]
	c := start(t, func(c *config.Server) {
		c.Tokens = nil // certificates and JWT-SVIDs open the doors themselves
		c.SPIFFE = &config.SPIFFE{
			WorkloadAPI: d.Serve(t, "/writ", time.Hour).Address(), Agents: []string{"spiffe://corp.example/agents"},
			Listen: agents, Audience: "https://writ.test",
		}
		c.Agents = append(c.Agents, config.Agent{
			Name: "repair", Iss: "spiffe://corp.example", Sub: "spiffe://corp.example/agents/repair", Team: "payments",
			Owner: config.Person{Iss: c.Approvers[0].Iss, Sub: "bo"}, Roles: []string{"repair"},
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := func(path string) *http.Client {
		source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(d.Serve(t, path, time.Hour).Address())))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { source.Close() })
		return &http.Client{Transport: &http.Transport{
			TLSClientConfig: tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(spiffeid.RequireFromString("spiffe://corp.example/writ"))),
		}}
	}
	repair := client("/agents/repair")
	for name, call := range map[string][]string{"the API": {"GET", "/v1/playbooks", ""}, "the tools": {"POST", "/mcp", list}} {
		testbed.Await(t, name, func(context.Context) (bool, string, error) {
			got, err := answer(t, repair, call[0], "https://"+agents+call[1], call[2])
			if err != nil {
				return false, err.Error(), nil // until Writ has its own SVID
			}
			return strings.HasPrefix(got, "200 "), got, nil
		})
	}
	if got, err := answer(t, client("/web"), "GET", "https://"+agents+"/v1/playbooks", ""); err == nil {
		t.Errorf("a workload that is no agent: %s", got)
	}

	raw, err := d.JWTSVID("/agents/repair", []string{"https://writ.test"}, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := token.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string][]string{"the API": {"GET", "/v1/playbooks", ""}, "the tools": {"POST", "/mcp", list}} {
		url := c.ExternalURL + call[1]
		testbed.Await(t, name+" by token", func(context.Context) (bool, string, error) {
			p, err := token.Prove(key, token.Proof{Method: call[0], URL: url, AccessTokenHash: token.AccessTokenHash(raw)}, time.Now(), rand.Reader)
			if err != nil {
				return false, "", err
			}
			got, err := answer(t, http.DefaultClient, call[0], url, call[2], "Authorization", "Bearer "+raw, "DPoP", p)
			if err != nil {
				return false, "", err
			}
			if strings.HasPrefix(got, "200 ") {
				again, err := answer(t, http.DefaultClient, call[0], url, call[2], "Authorization", "Bearer "+raw, "DPoP", p)
				if err != nil || !strings.HasPrefix(again, "401 ") {
					t.Errorf("%s, the same proof: %s %v", name, again, err)
				}
			}
			return strings.HasPrefix(got, "200 "), got, nil
		})
		if got, err := answer(t, http.DefaultClient, call[0], url, call[2], "Authorization", "Bearer "+raw); err != nil || !strings.HasPrefix(got, "401 ") {
			t.Errorf("%s without a proof: %s %v", name, got, err)
		}
		if got, err := answer(t, http.DefaultClient, call[0], url, call[2], "Authorization", "Bearer certificate"); err != nil || !strings.HasPrefix(got, "401 ") {
			t.Errorf("%s by the word of the certificates' door: %s %v", name, got, err)
		}
	}
}
