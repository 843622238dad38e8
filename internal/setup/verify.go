package setup

import (
	"crypto/ed25519"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

// verify writes the auditors' trust file: the only thing that writ ledger verify believes.
func (w *writer) verify() error {
	runner := w.runnerKey.Public().(ed25519.PublicKey)
	author := w.author()
	t := verify.Trust{
		V:     writ.FormatVersion,
		Log:   []verify.LogKey{{VKey: w.vkey}},
		Roots: &verify.Roots{Threshold: 1, Keys: [][]byte{w.owner.Public().(ed25519.PublicKey)}}, // the cell's owner, until there are others
		Actors: []verify.Actor{
			{Principal: author.Principal, KeyID: author.KeyID, Public: author.Public, Roles: []verify.Role{verify.RoleControl}},
			{Principal: writ.RunnerID(w.runnerID()).Principal(), KeyID: ledger.KeyID(runner), Public: runner, Roles: []verify.Role{verify.RoleRunner}},
		},
	}
	for _, a := range w.approvers {
		t.Approvers = append(t.Approvers, verify.Approver{Iss: a.Iss, Sub: a.Sub, Keys: a.Keys, Groups: a.Groups})
	}
	for _, name := range slices.Sorted(maps.Keys(w.services)) {
		t.Services = append(t.Services, verify.Service{Name: name, Slots: control.Slots(w.services[name])})
	}
	return w.json(fileVerify, t)
}
