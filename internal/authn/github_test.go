package authn_test

import (
	"maps"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// jobClaims are those of a token of GitHub Actions, shaped as its documentation shows them.
func jobClaims(changes map[string]any) map[string]any {
	c := map[string]any{
		"jti": "5a2c6f1e-0d8b-4f6e-9f0a-1b7c3d2e4f50", "sub": "repo:acme/ops:environment:production", "repository": "acme/ops", "repository_owner": "acme",
		"repository_id": "74", "repository_owner_id": "65", "environment": "production", "ref": "refs/heads/main", "ref_type": "branch",
		"job_workflow_ref": "acme/ops/.github/workflows/repair.yml@refs/heads/main", "workflow": "repair", "event_name": "workflow_dispatch",
		"runner_environment": "github-hosted", "run_id": "1", "run_attempt": "1", "actor": "ann", "actor_id": "12", "sha": "abc",
	}
	maps.Copy(c, changes)
	return c
}

func gitHub(s *signedKeyServer) authn.Issuer {
	i := s.issuer(writ.KindAgent)
	i.Form = authn.FormGitHub
	i.Workloads = []authn.Workload{{Sub: "ops-repair", Match: map[string]string{
		"repository_id": "74", "repository_owner_id": "65", "environment": "production",
		"job_workflow_ref": "acme/ops/.github/workflows/repair.yml@refs/heads/main",
	}}}
	return i
}

func TestAJobIsItsWorkloadByNumbersAndOnce(t *testing.T) {
	s, c := newServer(t), newClock()
	a, err := authn.New(authn.Config{Issuers: []authn.Issuer{gitHub(s)}, ExternalURL: external, Memory: newMemory(), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	job := func(changes map[string]any) string {
		return s.sign("first", s.claims(c.Now(), jobClaims(changes)), nil)
	}
	raw := job(nil)
	wantAgent(t, "the job", a, request(raw), writ.Principal{Kind: writ.KindAgent, Iss: s.URL, Sub: "ops-repair"})
	wantCode(t, "its token again", a, request(raw), authn.CodeReplayed)
	for name, changes := range map[string]map[string]any{
		"another workflow":        {"job_workflow_ref": "acme/ops/.github/workflows/other.yml@refs/heads/main"},
		"another branch":          {"job_workflow_ref": "acme/ops/.github/workflows/repair.yml@refs/heads/evil"},
		"a longer ref":            {"job_workflow_ref": "acme/ops/.github/workflows/repair.yml@refs/heads/main2"},
		"another environment":     {"environment": "staging"},
		"no environment":          {"environment": nil},
		"another owner":           {"repository_owner_id": "66"},
		"a number, not its text":  {"repository_id": 74},
		"the name in other cases": {"repository_id": nil, "Repository_ID": "74"},
	} {
		changes["jti"] = name
		wantCode(t, name, a, request(job(changes)), authn.CodeWorkloadUnknown)
	}
}

// Whoever takes the name that a repository had before has another number, whatever sub says.
func TestPitfall05ARenamedRepositoryDoesNotMatchByItsSub(t *testing.T) {
	s, c := newServer(t), newClock()
	a, err := authn.New(authn.Config{Issuers: []authn.Issuer{gitHub(s)}, ExternalURL: external, Memory: newMemory(), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	squatter := s.sign("first", s.claims(c.Now(), jobClaims(map[string]any{"repository_id": "99"})), nil)
	wantCode(t, "another repository of the old name", a, request(squatter), authn.CodeWorkloadUnknown)
	renamed := s.sign("first", s.claims(c.Now(), jobClaims(map[string]any{
		"jti": "2", "repository": "acme/operations", "sub": "repo:acme/operations:environment:production",
	})), nil)
	wantAgent(t, "the repository under its new name", a, request(renamed), writ.Principal{Kind: writ.KindAgent, Iss: s.URL, Sub: "ops-repair"})
	i := gitHub(s)
	i.Workloads[0].Match["sub"] = "repo:acme/ops:environment:production"
	if _, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, ExternalURL: external, Memory: newMemory(), Now: c.Now}); err == nil {
		t.Error("a workload that matches sub: accepted")
	}
}
