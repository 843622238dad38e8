package runner_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

// asksByPasskey is a grant of a break-glass that kim asked for with a passkey, and the ask as the runner gets it.
func (g *glass) asksByPasskey(k *softkey.Key, challenge func([]byte) []byte, statement func(*writ.BreakGlassStatement)) (*issued, *writ.Signed) {
	g.t.Helper()
	kim := writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.test", Sub: "kim"}
	digest, err := parameters.Digest()
	must(g.t, err)
	var signed writ.Signed
	a := g.propose("one", func(p *assignment.Planning) {
		var prp writ.Proposal
		must(g.t, canon.Parse(p.Proposal, &prp))
		now := writ.Instant(time.Now())
		prp.Incident = newID[writ.IncidentID](g.world, "inc")
		s := writ.BreakGlassStatement{
			Type: writ.BreakGlassType, Incident: prp.Incident, Service: service, Playbook: g.ref(), Parameters: digest, Asker: writ.Person{Iss: kim.Iss, Sub: kim.Sub},
			Nonce: "0123456789012345678901", NotBefore: now, Expires: now.Add(writ.MaxBreakGlassLife),
		}
		statement(&s)
		signed.Statement, err = s.Bytes()
		must(g.t, err)
		signed.Passkey = k.Get(g.t, challenge(signed.Statement))
		ask, err := signed.Digest()
		must(g.t, err)
		p.Playbook = g.source
		prp.By, prp.Playbook, prp.Emergency = kim, g.ref(), &writ.Emergency{ID: newID[writ.BreakGlassID](g.world, "bgl"), Ask: ask}
		b, err := canon.Marshal(prp)
		must(g.t, err)
		p.Proposal, p.ProposalLeaf = b, writ.DigestOf(b)
	})
	if a.Planned == nil {
		g.t.Fatalf("no plan: %+v", a.Refused)
	}
	p, _, err := writ.ParsePlan(a.Planned.Plan)
	must(g.t, err)
	i := g.grant(p, g.approve(p, "bob"))
	i.bundle = func(b *assignment.Bundle) { b.Asked = &signed }
	return i, &signed
}

// The runner judges an ask by passkey by itself: by the passkeys that its owners have signed in, at the level that its own
// emergency section asks for, whatever the control plane takes.
func TestPitfall34TheRunnerJudgesAnAskByPasskeyAgainstItsOwnTrustFile(t *testing.T) {
	for name, c := range map[string]struct {
		trust  func(g *glass, c *writ.Credential)
		key    func(k *softkey.Key)
		answer bool // the assertion is for an answer to a plan
		change func(s *writ.BreakGlassStatement)
		bundle func(a *writ.Signed)
		want   writ.Reason
	}{
		"signed in at level A, where A is asked for": {},
		"signed in at level B, where B is asked for": {trust: func(g *glass, c *writ.Credential) {
			c.Level, g.trust.Ceiling.Emergency.AskProof = writ.ProofB, writ.ProofB
		}},
		"signed in at level B, where A is asked for":  {trust: func(_ *glass, c *writ.Credential) { c.Level = writ.ProofB }, want: writ.ReasonApprovalProof},
		"not signed in, whatever the server enrolled": {trust: func(_ *glass, c *writ.Credential) { c.ID = []byte("another") }, want: writ.ReasonApproverUnknown},
		"signed in as newer than the incident":        {trust: func(_ *glass, c *writ.Credential) { c.Since = writ.Instant(time.Now().Add(time.Hour)) }, want: writ.ReasonApproverUnknown},
		"its user was not verified":                   {key: func(k *softkey.Key) { k.Flags &^= softkey.Verified }, want: writ.ReasonApprovalSignature},
		"another origin":                              {key: func(k *softkey.Key) { k.Origin = "https://writ.test" }, want: writ.ReasonApprovalSignature},
		"another rpId":                                {key: func(k *softkey.Key) { k.RP = "writ.test" }, want: writ.ReasonApprovalSignature},
		"an assertion for an answer":                  {answer: true, want: writ.ReasonApprovalSignature},
		"for another incident":                        {change: func(s *writ.BreakGlassStatement) { s.Incident = "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB" }, want: writ.ReasonBreakGlassMismatch},
		"for another parameter":                       {change: func(s *writ.BreakGlassStatement) { s.Parameters = writ.DigestOf(nil) }, want: writ.ReasonBreakGlassMismatch},
		"over": {change: func(s *writ.BreakGlassStatement) {
			s.NotBefore, s.Expires = s.NotBefore.Add(-10*time.Minute), s.NotBefore
		}, trust: func(_ *glass, c *writ.Credential) { c.Since = writ.Instant(time.Now().Add(-time.Hour)) }, want: writ.ReasonBreakGlassExpired},
		"another assertion than the plan commits to": {bundle: func(a *writ.Signed) {
			again := *a.Passkey
			again.AuthenticatorData = append([]byte{}, again.AuthenticatorData...)
			again.AuthenticatorData[36]++
			a.Passkey = &again
		}, want: writ.ReasonBreakGlassMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			glassBubble(t, func(t *testing.T, g *glass) {
				k := softkey.New(t, -7, "https://approve.writ.test", "approve.writ.test")
				k.AAGUID = [16]byte{1}
				cred := k.Credential(writ.ProofA, writ.Instant(time.Now().Add(-time.Hour)))
				g.trust.Version++
				g.trust.Ceiling.Emergency.AskProof = writ.ProofA
				if c.trust != nil {
					c.trust(g, &cred)
				}
				g.trust.Approvers = append(g.trust.Approvers, approval.Member{Iss: "https://idp.test", Sub: "kim", Groups: []string{"shop"}, Passkeys: []writ.Credential{cred}})
				g.sign()
				g.start()
				if c.key != nil {
					c.key(k)
				}
				challenge, change := approval.AskChallenge, c.change
				if c.answer {
					challenge = approval.Challenge
				}
				if change == nil {
					change = func(*writ.BreakGlassStatement) {}
				}
				i, signed := g.asksByPasskey(k, challenge, change)
				if c.bundle != nil {
					c.bundle(signed)
				}
				want := writ.RunRefused
				if c.want == "" {
					want = writ.RunSucceeded
				}
				if end := g.execute(i); end.State != want || end.Reason != c.want {
					t.Errorf("%s for %s, want %s for %s", end.State, end.Reason, want, c.want)
				}
			})
		})
	}
}
