package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// TestAPasskeyApprovesThroughWholeProcesses enrols a passkey of an authenticator in software, lets another person confirm
// it, and approves with it: the runner refuses until its owner has signed the passkey in, and the ledger verifies offline.
func TestAPasskeyApprovesThroughWholeProcesses(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses, nil, "early", "signed")
	s.edit(func(c *config.Server) { c.Approve = &config.Approve{Origin: "https://approve.writ.test"} })
	s.start()
	k := softkey.New(t, -7, "https://approve.writ.test", "approve.writ.test")
	enrol, err := s.person.BeginPasskey(t.Context())
	must(t, err)
	p, err := s.person.AddPasskey(t.Context(), k.Create(t, unpadded(t, enrol.Options.Challenge)))
	must(t, err)
	s.wantCLI(t, 0, ana, "approver", "confirm", string(p.ID), "--fingerprint", p.Fingerprint)

	x := s.healthy(t, "early")
	x.diagnosed()
	plan := x.scale(5).Plan
	x.asserts(plan, k)
	if r := x.ended(plan, writ.RunRefused); r.Reason != writ.ReasonApproverUnknown {
		t.Errorf("the runner refused with %s", r.Reason)
	}
	x.wantWrites(0)

	s.signIn(s.wantCLI(t, 0, ana, "approver", "export").out)
	x = s.healthy(t, "signed")
	x.diagnosed()
	plan = x.scale(5).Plan
	x.asserts(plan, k)
	r := x.ended(plan, writ.RunSucceeded)
	x.wantWrites(1)
	x.dead(r.ID)
	s.verified(t)
}

// asserts approves a plan with a passkey, as a browser would.
func (x *scene) asserts(id writ.PlanID, k *softkey.Key) {
	x.t.Helper()
	p, err := x.person.Plan(x.t.Context(), id)
	must(x.t, err)
	ask, err := x.person.BeginApproval(x.t.Context(), id, writ.AnswerWish{PlanDigest: p.Digest, Answer: writ.Approve, Slot: "owner"})
	must(x.t, err)
	_, err = x.person.ApproveByPasskey(x.t.Context(), id, p.Digest, ask.Statement, *k.Get(x.t, unpadded(x.t, ask.Options.Challenge)), "by passkey")
	must(x.t, err)
}

// signIn puts exported passkeys into the trust files of runner and auditor, as their owners.
func (s *site) signIn(exported string) {
	t := s.t
	t.Helper()
	var people approval.Roster
	must(t, json.Unmarshal([]byte(exported), &people))
	file := filepath.Join(s.in.Dir, "trust.json")
	tr, err := trust.Payload(read(t, file))
	must(t, err)
	audit, err := verify.ParseTrust(read(t, s.in.Verify))
	must(t, err)
	for _, m := range people {
		for i := range tr.Approvers {
			if tr.Approvers[i].Person() == m.Person() {
				tr.Approvers[i].Passkeys = m.Passkeys
			}
		}
		for i := range audit.Approvers {
			if audit.Approvers[i].Iss == m.Iss && audit.Approvers[i].Sub == m.Sub {
				audit.Approvers[i].Passkeys = m.Passkeys
			}
		}
	}
	owner, err := pin.Load(filepath.Join(s.in.Dir, "keys", "owner.pem"))
	must(t, err)
	tr.Version++
	signed, err := trust.Sign(tr, owner)
	must(t, err)
	must(t, os.WriteFile(file+".new", signed, 0o644))
	must(t, os.Rename(file+".new", file))
	b, err := json.Marshal(audit)
	must(t, err)
	must(t, os.WriteFile(s.in.Verify, b, 0o644))
}

func unpadded(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	must(t, err)
	return b
}
