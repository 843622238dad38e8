package bench

import (
	"context"
	"crypto/ed25519"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

// Audit returns the world's whole ledger as a bundle for offline verification, and what an auditor would pin.
func (w *World) Audit(ctx context.Context) ([]byte, verify.Trust, error) {
	b, err := w.control.Export(ctx, writ.Principal{Kind: writ.KindHuman, Iss: issuer, Sub: "auditor"}, "")
	return b, w.trust, err
}

func (k keys) trust(vkey string) verify.Trust {
	actor := func(p writ.Principal, key ed25519.PrivateKey, r verify.Role) verify.Actor {
		pub := key.Public().(ed25519.PublicKey)
		return verify.Actor{Principal: p, KeyID: ledger.KeyID(pub), Public: pub, Roles: []verify.Role{r}}
	}
	return verify.Trust{
		V: writ.FormatVersion, Log: []verify.LogKey{{VKey: vkey}}, Actors: []verify.Actor{
			actor(writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "control"}, k.control, verify.RoleControl),
			actor(runnerID.Principal(), k.runner, verify.RoleRunner),
		},
	}
}
