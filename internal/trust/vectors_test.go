package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/internal/trust"
)

var update = flag.Bool("update", false, "write testdata/vectors anew; the formats are frozen, so this is for new vectors only")

const (
	vectors = "../../testdata/vectors"
	issuer  = "https://writ.example.com"
	present = "https://writ.example.com/v1/runs"
	origin  = "writ.example.com/log"
	runner  = writ.RunnerID("spiffe://example.com/runner/prod-eu1")
)

var (
	madeAt = time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)
	alice  = writ.Person{Iss: "https://idp.example.com", Sub: "u-4821"}
	bob    = writ.Person{Iss: "https://idp.example.com", Sub: "u-5000"}
	agent  = writ.Principal{Kind: writ.KindAgent, Iss: "spiffe://example.com", Sub: "spiffe://example.com/agents/repair"}
)

// frozen returns the stored vector of that name; with -update it stores want first.
func frozen(t *testing.T, name string, want []byte) []byte {
	t.Helper()
	path := filepath.Join(vectors, name)
	if *update {
		must(t, os.WriteFile(path, want, 0o644))
	}
	got, err := os.ReadFile(path)
	must(t, err)
	return got
}

func wantFrozen(t *testing.T, name string, made []byte) {
	t.Helper()
	if diff := cmp.Diff(string(frozen(t, name, made)), string(made)); diff != "" {
		t.Errorf("%s is no longer what this code makes (-frozen +made):\n%s", name, diff)
	}
}

func TestVectorsAreWhatThisCodeMakesAndParses(t *testing.T) {
	proposal, err := canon.Marshal(vectorProposal())
	must(t, err)
	wantFrozen(t, "proposal.json", proposal)

	p, digest := planAndDigest(t)
	b, err := p.Bytes()
	must(t, err)
	wantFrozen(t, "plan.json", b)
	wantFrozen(t, "plan.txt", []byte(plan.Text(p, digest)))

	a := vectorApproval(t)
	wantFrozen(t, "approval.json", a.Statement)
	wantFrozen(t, "approval.sig", []byte(a.Signature))
	second, err := vectorStatementV2(t).Bytes()
	must(t, err)
	wantFrozen(t, "approval-v2.json", second)
	sig, err := approval.Sign(second, sshSigner(t, "alice"), nil)
	must(t, err)
	wantFrozen(t, "approval-v2.sig", []byte(sig))
	wantFrozen(t, "allowed_signers", []byte(alice.Sub+" "+sshLine(t, "alice")+"\n"))

	claims, err := canon.Marshal(vectorClaims(t))
	must(t, err)
	wantFrozen(t, "grant.json", claims)

	tb, err := vectorTrust(t).Bytes()
	must(t, err)
	wantFrozen(t, "trust.json", tb)
	wantFrozen(t, "trust.txt", []byte(trust.Text(vectorTrust(t))))
	file, err := trust.Sign(vectorTrust(t), edKey("owner 1"))
	must(t, err)
	file, err = trust.AddSignature(file, edKey("owner 2"))
	must(t, err)
	wantFrozen(t, "trust.dsse.json", file)

	digests := ""
	evidence, err := p.EvidenceDigest()
	must(t, err)
	approved, err := a.Digest()
	must(t, err)
	for _, d := range []struct {
		name   string
		digest writ.Digest
	}{
		{"proposal", writ.DigestOf(proposal)}, {"plan", digest}, {"evidence", evidence}, {"approval", approved},
		{"grant-claims", writ.DigestOf(claims)}, {"trust", writ.DigestOf(tb)},
	} {
		digests += fmt.Sprintf("%s %s\n", d.name, d.digest)
	}
	wantFrozen(t, "digests.txt", []byte(digests))
}

func TestVectorsVerifyFromTheirFilesAlone(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(vectors, name))
		must(t, err)
		return b
	}
	owners := []ed25519.PublicKey{edPublic("owner 1"), edPublic("owner 2")}
	tr, err := trust.Load(read("trust.dsse.json"), owners, 2, 7, runner, madeAt)
	must(t, err)
	p, digest, err := writ.ParsePlan(read("plan.json"))
	must(t, err)
	now := madeAt.Add(3 * time.Minute)
	keys, err := tr.GrantKeySet()
	must(t, err)

	compact := storedToken(t, "grant.jwt", func() (string, error) {
		return grant.Sign(ecKey(t, "grant key"), token.KeyID(&ecKey(t, "grant key").PublicKey), vectorClaims(t))
	})
	claims, err := grant.Check(compact, grant.Want{Issuer: tr.Issuer, Keys: keys, Runner: tr.Runner, Now: now})
	must(t, err)
	must(t, grant.Match(claims, p, digest))
	if b, err := canon.Marshal(claims); err != nil || !bytes.Equal(b, read("grant.json")) {
		t.Errorf("the token's claims are not grant.json: %v\n%s", err, b)
	}

	a := writ.Approval{Statement: read("approval.json"), Signature: string(read("approval.sig"))}
	must(t, grant.MatchApprovals(claims, []writ.Approval{a}))
	tally, err := approval.Count(tr.Question(p, digest, p.Tier, now), []writ.Approval{a})
	must(t, err)
	of2 := writ.Approval{Statement: read("approval-v2.json"), Signature: string(read("approval-v2.sig"))}
	if again, err := approval.Count(tr.Question(p, digest, p.Tier, now), []writ.Approval{of2}); err != nil || again.People != tally.People {
		t.Errorf("of the second form: %+v, %v", again, err)
	}
	must(t, tr.AllowsPlan(p, p.Tier, claims.Writ.Mode, tally, 0))

	proof := storedToken(t, "proof.jwt", func() (string, error) {
		return token.Prove(ecKey(t, "holder key"), token.Proof{Method: "POST", URL: present, AccessTokenHash: token.AccessTokenHash(compact)},
			now, bytes.NewReader(seed("proof")))
	})
	_, err = token.CheckProof(proof, token.WantProof{Method: "POST", URL: tr.Presented, Token: compact, Thumbprint: claims.Confirm.Thumbprint,
		Now: now, Life: token.ProofLife})
	must(t, err)
}

// storedToken reads a token; with -update it is made if it is not there yet. ES256 signatures differ each time.
func storedToken(t *testing.T, name string, make func() (string, error)) string {
	t.Helper()
	path := filepath.Join(vectors, name)
	if _, err := os.Stat(path); *update && os.IsNotExist(err) {
		compact, err := make()
		must(t, err)
		must(t, os.WriteFile(path, []byte(compact), 0o644))
	}
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}
