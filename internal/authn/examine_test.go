package authn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/testbed/idp"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
)

func TestExamineNamesTheIssuerOrTrustDomainThatCannotVouch(t *testing.T) {
	p := idp.New(t, "http://127.0.0.1:1/back")
	own := trustdomain.New(t, "corp.example")
	socket := own.Serve(t, t.TempDir()+"/api.sock", time.Hour)
	good := authn.Issuer{URL: p.URL, Audience: idp.Client, Kind: writ.KindHuman, Algorithms: []string{"RS256"}}
	gone := authn.Issuer{URL: "http://127.0.0.1:1", Audience: "writ", Kind: writ.KindHuman, Algorithms: []string{"RS256"}}
	ask := func(i authn.Issuer, agents ...string) (wrong []string) {
		t.Helper()
		a, err := authn.New(authn.Config{
			Issuers: []authn.Issuer{i}, SPIFFE: &authn.SPIFFE{WorkloadAPI: socket.Address(), Agents: agents}, Dev: true, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range a.Examine(t.Context()) {
			if err != nil {
				wrong = append(wrong, what)
			}
		}
		return wrong
	}
	if wrong := ask(good, "spiffe://corp.example/agents"); wrong != nil {
		t.Errorf("%v", wrong)
	}
	if wrong := ask(gone, "spiffe://corp.example/agents", "spiffe://partner.example/agents"); len(wrong) != 2 || !strings.Contains(wrong[0], gone.URL) || !strings.Contains(wrong[1], "partner.example") {
		t.Errorf("%v", wrong)
	}
	other := good
	other.Algorithms = []string{"ES256"}
	if wrong := ask(other, "spiffe://corp.example/agents"); len(wrong) != 1 {
		t.Errorf("an algorithm that it has no key for: %v", wrong)
	}
}
