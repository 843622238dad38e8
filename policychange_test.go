package writ_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// policyChange is a change of a policy set in its form.
func policyChange(t testing.TB) []byte {
	t.Helper()
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	b, err := writ.PolicyChange{
		Type: writ.PolicyChangeType, ID: "pch_01JDB3V0T6M2Y8H4R1C7K5P9WE", Proposer: writ.Person{Iss: "https://idp.test", Sub: "dora"},
		Base: writ.PolicyName{Version: 1, Manifest: writ.DigestOf([]byte("was")), Policy: writ.DigestOf([]byte("old"))},
		Next: writ.PolicyName{Version: 2, Manifest: writ.DigestOf([]byte("is")), Policy: writ.DigestOf([]byte("new"))}, Signers: []string{"key"}, Files: []writ.PolicyFile{}, Rules: []writ.PolicyRule{},
		Needs: writ.PolicyNeeds{Group: "platform", Approvals: 2, Proof: writ.ProofC}, MadeAt: at, NotAfter: at.Add(time.Hour),
	}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzParsePolicyChange: what is taken has one form, names a later set, and asks two people or more within a day.
func FuzzParsePolicyChange(f *testing.F) {
	good := policyChange(f)
	if _, _, err := writ.ParsePolicyChange(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"approvals":2`), []byte(`"approvals":1`), 1))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, digest, err := writ.ParsePolicyChange(b)
		if err != nil {
			return
		}
		if again, err := c.Bytes(); err != nil || !bytes.Equal(again, b) || !digest.Equal(writ.DigestOf(b)) {
			t.Errorf("%s became %s, %v", b, again, err)
		}
		if c.Needs.Approvals < 2 || c.Needs.Proof.Strength() == 0 || c.Next.Version <= c.Base.Version || c.NotAfter.Sub(c.MadeAt) > writ.PolicyChangeLife {
			t.Errorf("%s was taken", b)
		}
	})
}

// FuzzParsePolicyApprovalStatement: what is taken has one form, answers, names what it answers and ends within a day.
func FuzzParsePolicyApprovalStatement(f *testing.F) {
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	good, err := writ.PolicyApprovalStatement{
		Type: writ.PolicyApprovalType, Answer: writ.Approve, Change: "pch_01JDB3V0T6M2Y8H4R1C7K5P9WE", Digest: writ.DigestOf([]byte("change")), Manifest: writ.DigestOf([]byte("is")),
		Base: writ.DigestOf([]byte("old")), Approver: writ.Person{Iss: "https://idp.test", Sub: "emil"}, Nonce: "AAAAAAAAAAAAAAAAAAAAAA", NotBefore: at, Expires: at.Add(time.Hour),
	}.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := writ.ParsePolicyApprovalStatement(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(writ.PolicyApprovalType), []byte(writ.ApprovalType), 1))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := writ.ParsePolicyApprovalStatement(b)
		if err != nil {
			return
		}
		if again, err := s.Bytes(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s became %s, %v", b, again, err)
		}
		if s.Answer != writ.Approve && s.Answer != writ.Reject || s.Digest.IsZero() || s.Base.IsZero() || s.Expires.Sub(s.NotBefore) > writ.PolicyChangeLife {
			t.Errorf("%s was taken", b)
		}
	})
}
