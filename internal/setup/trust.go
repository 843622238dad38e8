package setup

import (
	"crypto/ed25519"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/trust"
)

// trustLife is how long a development trust file is good for; the owner signs a new one before.
const trustLife = 90 * 24 * time.Hour

// A Ceiling is the part of a runner's ceiling that an installation chooses.
type Ceiling struct {
	MaxObjects  int
	MaxPermille int
	RunsPerHour int
	ProofT2     writ.ProofLevel
}

// DevCeiling takes plain SSH keys (proof D) for T2, which a production cell must not.
var DevCeiling = Ceiling{MaxObjects: 5, MaxPermille: 1000, RunsPerHour: 120, ProofT2: writ.ProofD}

// trust writes the runner's trust file, signed by its owner's key.
func (w *writer) trust() error {
	c := w.o.Ceiling
	t := trust.Trust{
		V: writ.FormatVersion, Version: 1, Runner: writ.RunnerID(w.runnerID()), Expires: writ.Instant(w.o.Now.Add(trustLife)), Issuer: issuer,
		GrantKeys: []trust.GrantKey{{Kid: w.grantKid, PEM: w.grantPub}}, Presented: server.PresentURL("http://" + w.o.Listen),
		Control: []trust.Author{w.author()}, Log: trust.Log{Origin: origin, VKey: w.vkey}, Approvers: w.roster(), Playbooks: w.playbooks,
		Ceiling: trust.Ceiling{
			MaxTier: writ.T4, HandleMaxTier: writ.T1, MaxObjects: c.MaxObjects, MaxPermille: c.MaxPermille, RunsPerHour: c.RunsPerHour,
			Quorum: map[writ.Tier]trust.Quorum{
				writ.T1: {}, writ.T2: {Approvals: 1, Proof: c.ProofT2}, writ.T3: {Approvals: 2, Proof: writ.ProofA}, writ.T4: {Approvals: 2, Proof: writ.ProofA},
			},
		},
	}
	if len(w.emergency) > 0 {
		t.Ceiling.Emergency = emergency(w.emergency, t.Ceiling, c.ProofT2)
	}
	for _, name := range slices.Sorted(maps.Keys(w.services)) {
		t.Services = append(t.Services, trust.Service{Name: name, Slots: control.Slots(w.services[name])})
	}
	for _, a := range w.o.Agents {
		t.AgentOwners = append(t.AgentOwners, trust.AgentOwner{Iss: authn.DevIssuer, Sub: a.Name, Owner: writ.Person{Iss: authn.DevIssuer, Sub: a.Owner}})
	}
	for _, target := range w.o.Targets {
		t.Ceiling.Targets = append(t.Ceiling.Targets, target.Location)
		for _, o := range target.Catalogue.Operations {
			t.Ceiling.Operations = append(t.Ceiling.Operations, o.Name)
		}
	}
	slices.Sort(t.Ceiling.Operations)
	t.Ceiling.Operations = slices.Compact(t.Ceiling.Operations)
	b, err := trust.Sign(t, w.owner)
	if err != nil {
		return err
	}
	return os.WriteFile(w.path(fileTrust), b, 0o644)
}

// emergencyRuns is how many break-glass runs a cell takes in an hour: more are no exception.
const emergencyRuns = 3

// emergency is the section that a new installation begins with: asks with security keys or passkeys, one approver from T2 on, and
// nothing while the control plane is down, which takes people with security keys to write down.
func emergency(pinned []writ.PlaybookRef, c trust.Ceiling, t2 writ.ProofLevel) *trust.Emergency {
	return &trust.Emergency{
		Playbooks: pinned, AskProof: writ.ProofC, MaxObjects: c.MaxObjects, MaxPermille: c.MaxPermille, RunsPerHour: min(emergencyRuns, c.RunsPerHour),
		Quorum: map[writ.Tier]trust.Quorum{
			writ.T1: {}, writ.T2: {Approvals: 1, Proof: t2}, writ.T3: {Approvals: 1, Proof: writ.ProofA}, writ.T4: {Approvals: 1, Proof: writ.ProofA},
		},
	}
}

func (w *writer) author() trust.Author {
	pub := w.control.Public().(ed25519.PublicKey)
	return trust.Author{Principal: writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "control"}, KeyID: ledger.KeyID(pub), Public: pub}
}

func (w *writer) roster() approval.Roster {
	var out approval.Roster
	for _, a := range w.approvers {
		out = append(out, approval.Member{Iss: a.Iss, Sub: a.Sub, Groups: a.Groups, Keys: a.Keys})
	}
	return out
}
