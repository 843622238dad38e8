package trust_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/trust"
)

func TestAnIncompleteTrustFileIsNeitherSignedNorLoaded(t *testing.T) {
	for name, change := range map[string]func(*trust.Trust){
		"another format":              func(t *trust.Trust) { t.V = 2 },
		"no version":                  func(t *trust.Trust) { t.Version = 0 },
		"no runner":                   func(t *trust.Trust) { t.Runner = "" },
		"no expiry":                   func(t *trust.Trust) { t.Expires = time.Time{} },
		"no issuer":                   func(t *trust.Trust) { t.Issuer = "" },
		"no execution URL":            func(t *trust.Trust) { t.Presented = "" },
		"an execution URL with query": func(t *trust.Trust) { t.Presented += "?a=b" },
		"an execution URL with user":  func(t *trust.Trust) { t.Presented = "https://a@writ.example.com/v1/runs" },
		"a relative execution URL":    func(t *trust.Trust) { t.Presented = "/v1/runs" },
		"no grant key":                func(t *trust.Trust) { t.GrantKeys = nil },
		"a grant key twice":           func(t *trust.Trust) { t.GrantKeys = append(t.GrantKeys, t.GrantKeys[0]) },
		"a grant key without id":      func(t *trust.Trust) { t.GrantKeys[0].Kid = "" },
		"a grant key that is none":    func(t *trust.Trust) { t.GrantKeys[0].PEM = "x" },
		"no author":                   func(t *trust.Trust) { t.Control = nil },
		"an author without a key":     func(t *trust.Trust) { t.Control[0].Public = nil },
		"an author twice":             func(t *trust.Trust) { t.Control = append(t.Control, t.Control[0]) },
		"an author who is nobody":     func(t *trust.Trust) { t.Control[0].Principal = writ.Principal{} },
		"no ledger key":               func(t *trust.Trust) { t.Log.VKey = "" },
		"a ledger key of another log": func(t *trust.Trust) { t.Log.Origin = "other.example.com/log" },
		"an approver twice":           func(t *trust.Trust) { t.Approvers = append(t.Approvers, t.Approvers[0]) },
		"a service twice":             func(t *trust.Trust) { t.Services = append(t.Services, t.Services[0]) },
		"a service without slots":     func(t *trust.Trust) { t.Services[0].Slots = nil },
		"a slot without a group":      func(t *trust.Trust) { t.Services[0].Slots = map[string]string{"owner": ""} },
		"an agent owned by nobody":    func(t *trust.Trust) { t.AgentOwners[0].Owner = writ.Person{} },
		"an agent with two owners":    func(t *trust.Trust) { t.AgentOwners = append(t.AgentOwners, t.AgentOwners[0]) },
		"no playbook":                 func(t *trust.Trust) { t.Playbooks = nil },
		"a playbook with two digests": func(t *trust.Trust) {
			p := t.Playbooks[0]
			p.Digest = writ.DigestOf(nil)
			t.Playbooks = append(t.Playbooks, p)
		},
		"an author without a key id":    func(t *trust.Trust) { t.Control[0].KeyID = "" },
		"a service without a name":      func(t *trust.Trust) { t.Services[0].Name = "" },
		"a slot that is no name":        func(t *trust.Trust) { t.Services[0].Slots = map[string]string{"owner *": "payments"} },
		"an owned agent that is nobody": func(t *trust.Trust) { t.AgentOwners[0].Sub = "" },
		"a playbook without a name":     func(t *trust.Trust) { t.Playbooks[0].Name = "" },
		"a playbook without a version":  func(t *trust.Trust) { t.Playbooks[0].Version = 0 },
		"a playbook without a digest":   func(t *trust.Trust) { t.Playbooks[0].Digest = writ.Digest{} },
		"a ceiling of T0": func(t *trust.Trust) {
			t.Ceiling.MaxTier, t.Ceiling.HandleMaxTier, t.Ceiling.Quorum = writ.T0, writ.T0, nil
		},
		"a tier below the bottom":  func(t *trust.Trust) { t.Ceiling.MaxTier, t.Ceiling.Quorum = -1, nil },
		"handles below the bottom": func(t *trust.Trust) { t.Ceiling.HandleMaxTier = -1 },
		"an empty target":          func(t *trust.Trust) { t.Ceiling.Targets[0] = "" },
		"an empty operation":       func(t *trust.Trust) { t.Ceiling.Operations[0] = "" },
		"no capacity":              func(t *trust.Trust) { t.Ceiling.MaxPermille = 0 },
		"proofs of nobody":         func(t *trust.Trust) { t.Ceiling.Quorum[writ.T1] = trust.Quorum{Proof: writ.ProofA} },
		"a quorum for another tier": func(t *trust.Trust) {
			delete(t.Ceiling.Quorum, writ.T1)
			t.Ceiling.Quorum[writ.T3] = trust.Quorum{Approvals: 2, Proof: writ.ProofA}
		},
		"no ceiling":                  func(t *trust.Trust) { t.Ceiling = trust.Ceiling{} },
		"a tier above the top":        func(t *trust.Trust) { t.Ceiling.MaxTier = 5 },
		"handles above the top":       func(t *trust.Trust) { t.Ceiling.HandleMaxTier = writ.T3 },
		"no targets":                  func(t *trust.Trust) { t.Ceiling.Targets = nil },
		"no operations":               func(t *trust.Trust) { t.Ceiling.Operations = nil },
		"no objects":                  func(t *trust.Trust) { t.Ceiling.MaxObjects = 0 },
		"more than the whole service": func(t *trust.Trust) { t.Ceiling.MaxPermille = 1001 },
		"no rate":                     func(t *trust.Trust) { t.Ceiling.RunsPerHour = 0 },
		"no quorum":                   func(t *trust.Trust) { t.Ceiling.Quorum = nil },
		"a tier without a quorum":     func(t *trust.Trust) { delete(t.Ceiling.Quorum, writ.T1) },
		"a quorum above the top":      func(t *trust.Trust) { t.Ceiling.Quorum[writ.T3] = trust.Quorum{Approvals: 2, Proof: writ.ProofA} },
		"T2 without an approval":      func(t *trust.Trust) { t.Ceiling.Quorum[writ.T2] = trust.Quorum{} },
		"T2 without a proof":          func(t *trust.Trust) { t.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 1} },
		"T2 with an unknown proof":    func(t *trust.Trust) { t.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 1, Proof: "E"} },
		"a negative quorum":           func(t *trust.Trust) { t.Ceiling.Quorum[writ.T1] = trust.Quorum{Approvals: -1} },
		"T3 with one approval": func(t *trust.Trust) {
			t.Ceiling.MaxTier = writ.T3
			t.Ceiling.Quorum[writ.T3] = trust.Quorum{Approvals: 1, Proof: writ.ProofA}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := vectorTrust(t)
			must(t, tr.Check())
			change(&tr)
			if err := tr.Check(); !errors.Is(err, writ.ErrInvalid) {
				t.Errorf("want ErrInvalid, got %v", err)
			}
			if _, err := trust.Sign(tr, edKey("owner 1")); err == nil {
				t.Error("signed it")
			}
			payload, err := canon.Marshal(tr)
			if err != nil {
				return // it has no form at all
			}
			file := editEnvelope(t, signedFile(t, vectorTrust(t), "owner 1"), func(e *envelope) {
				e.Payload = payload
				e.Signatures[0].Sig = ed25519.Sign(edKey("owner 1"), pae(payload))
			})
			_, err = trust.Load(file, owners, 1, 0, runner, madeAt)
			wantReason(t, err, writ.ReasonTrustInvalid)
		})
	}
}

// pae is the pre-authentication encoding of DSSE, written out here so that the package's own is checked against it.
func pae(payload []byte) []byte {
	return append([]byte("DSSEv1 "+itoa(len(trust.PayloadType))+" "+trust.PayloadType+" "+itoa(len(payload))+" "), payload...)
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }
