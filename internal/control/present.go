package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

// What a run of a grant that its agent holds says while it waits.
const (
	unpresented = "its agent holds the grant and has not presented it"
	presented   = "its agent has presented the grant; its runner has not taken it up"
	lapsedProof = "its runner did not take it up while the proof was good; the agent presents the grant again with a new proof"
)

// Present takes a grant that its agent holds, with the agent's proof of its key, and has the plan's runner judge both. It
// checks them itself first: the grant is the one whose digest stands in the ledger, alive and unspent, and the proof is
// made by the key that it is bound to, for this URL and this grant, just now and for the first time on any replica.
//
// A proof is good for a minute. If the runner does not come for it in time, nothing has happened, the run says
// proof_expired, and the grant may be presented again with a new proof until it expires. Presenting it again before that
// replaces the proof. The runner spends the grant once, so there is one run whatever is presented how often.
func (c *Control) Present(ctx context.Context, who writ.Principal, compact, proof string) (writ.RunStatus, error) {
	run, plan, err := c.present(ctx, who, compact, proof)
	if err != nil {
		return writ.RunStatus{}, c.deny(ctx, "present", who, plan, err)
	}
	return c.Run(ctx, who, run, 0)
}

// present returns the run, and the plan as far as it is known.
func (c *Control) present(ctx context.Context, who writ.Principal, compact, proof string) (writ.RunID, writ.PlanID, error) {
	if who.Kind != writ.KindAgent {
		return "", "", writ.Refuse(writ.ReasonKind, "only an agent holds a grant")
	}
	if _, err := c.asker(ctx, who, writ.RoleRepair); err != nil {
		return "", "", err
	}
	claims, err := grant.Open(compact, c.GrantKeySet())
	if err != nil {
		return "", "", err
	}
	plan := claims.AuthorizationDetails[0].Plan
	if claims.Writ.Mode != writ.ModeKey || claims.Client != grant.Client(who) {
		return "", plan, writ.Refuse(writ.ReasonNotYours, "this grant was issued to somebody else")
	}
	jti, until, err := token.CheckProofUntil(proof, token.WantProof{
		Method: "POST", URL: c.PresentURL, Token: compact, Thumbprint: claims.Confirm.Thumbprint, Now: c.Now(), Life: token.ProofLife,
	})
	switch {
	case errors.Is(err, token.ErrProofAge):
		return "", plan, &writ.Refusal{Code: writ.ReasonProofExpired, Detail: "proof: its iat is more than a minute past", Hint: "present the grant with a new proof"}
	case err != nil:
		return "", plan, &writ.Refusal{Code: writ.ReasonPresenter, Detail: writ.Printable(err.Error(), 200), Hint: "a DPoP proof by the grant's key: htm POST, htu " + c.PresentURL + ", ath of the grant"}
	}
	var run writ.RunID
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		g, row, err := store.Load[grantRow](tx, store.Grants, string(claims.ID))
		if err != nil {
			return notFound(err, "grant", string(claims.ID))
		}
		run = g.Run
		if err := c.mayPresent(tx, g, row.State, compact); err != nil {
			return err
		}
		if err := c.useProof(tx, claims.Confirm.Thumbprint, jti, until); err != nil {
			return err
		}
		return c.relay(tx, g, row, proof, until)
	})
	return run, plan, err
}

// mayPresent checks that the grant is the one that was issued, and good.
func (c *Control) mayPresent(tx *store.Tx, g grantRow, state, compact string) error {
	e, err := ledger.Open(g.Leaf)
	if err != nil {
		return err
	}
	body, ok := e.Body.(*writ.GrantBody)
	if !ok || !body.TokenDigest.Equal(writ.DigestOf([]byte(compact))) {
		return writ.Refuse(writ.ReasonNotInLedger, "this is not the grant whose digest stands in the ledger")
	}
	run, _, err := store.Load[runRow](tx, store.Runs, string(g.Run))
	if err != nil {
		return err
	}
	p, _, err := store.Load[planRow](tx, store.Plans, string(g.Plan))
	if err != nil {
		return err
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return err
	}
	if _, err := c.agent(tx, p.Proposal.By); err != nil { // it was suspended a moment ago
		return err
	}
	stop, err := frozen(tx, plan)
	switch {
	case err != nil:
		return err
	case state != stateOn:
		return &writ.Refusal{Code: writ.ReasonRevoked, Kind: writ.ErrConflict, Detail: "the grant was revoked", Hint: "propose it again"}
	case run.Run.State == writ.RunExpired || run.Run.State == writ.RunGranted && !c.now().Before(g.Expires):
		return &writ.Refusal{Code: writ.ReasonGrantExpired, Kind: writ.ErrConflict, Detail: "the grant has expired unused", Hint: "propose it again"}
	case run.Run.State != writ.RunGranted:
		return spent(run)
	case stop:
		return &writ.Refusal{Code: writ.ReasonFrozen, Kind: writ.ErrFrozen, Detail: "a person has frozen this", Hint: "a person can lift it: writ unfreeze"}
	}
	return nil
}

// useProof remembers a proof for all replicas, until it is void by its own time.
func (c *Control) useProof(tx *store.Tx, thumbprint, jti string, until time.Time) error {
	key := writ.DigestOf([]byte("presentation " + thumbprint + " " + jti)).String()
	err := tx.Insert(store.Nonces, store.Row{ID: key, Key: key, Doc: []byte("{}"), Due: millis(until.Add(memoryMargin))})
	if errors.Is(err, writ.ErrConflict) {
		return &writ.Refusal{Code: writ.ReasonPresentedTwice, Detail: "this proof was used before", Hint: "present the grant with a new proof"}
	}
	return err
}

// relay hands grant and proof on to the runner, instead of what was handed on before.
func (c *Control) relay(tx *store.Tx, g grantRow, row store.Row, proof string, until time.Time) error {
	run, rrow, err := store.Load[runRow](tx, store.Runs, string(g.Run))
	if err != nil {
		return err
	}
	if g.Assignment != "" {
		if err := c.close(tx, g.Assignment); err != nil {
			return err
		}
	}
	if g.Assignment, err = newID[writ.AssignmentID](c, "asg"); err != nil {
		return err
	}
	if until.After(g.Expires) {
		until = g.Expires
	}
	g.Proof, g.Presented = proof, true
	if err := store.Save(tx, store.Grants, row, row.State, g); err != nil {
		return err
	}
	if err := c.assign(tx, run.Run.Runner, run.Run.Incident, assignmentRow{ID: g.Assignment, Kind: assignment.KindRun, Expires: until, Run: g.Run}); err != nil {
		return err
	}
	run.Run.Reason, run.Run.Detail = "", presented
	rrow.Due = min(millis(g.Expires), millis(until.Add(runRetry))) // a runner that took it at the last moment has that long to answer
	return store.Save(tx, store.Runs, rrow, rrow.State, run)
}

// lapse ends a presentation that came to nothing; the grant is as good as before.
func (c *Control) lapse(tx *store.Tx, run *runRow, row *store.Row, g grantRow, grow store.Row, why writ.Reason) error {
	if g.Assignment == "" {
		return nil // it has lapsed before
	}
	if err := c.close(tx, g.Assignment); err != nil {
		return err
	}
	g.Assignment, g.Proof = "", ""
	if err := store.Save(tx, store.Grants, grow, grow.State, g); err != nil {
		return err
	}
	p, _, err := store.Load[planRow](tx, store.Plans, string(g.Plan))
	if err != nil {
		return err
	}
	if _, err := c.append(tx, writ.EntryDeny, run.Run.Incident, writ.DenyBody{What: "present", By: p.Proposal.By, Reason: why, Plan: g.Plan}); err != nil {
		return err
	}
	run.Run.Reason, run.Run.Detail = why, lapsedProof
	row.Due = millis(g.Expires)
	return store.Save(tx, store.Runs, *row, row.State, *run)
}

// relapse takes a runner's word that the proof which came with a grant is of no use, for a reason that leaves the grant
// as it is. It reports whether it was that.
func (c *Control) relapse(tx *store.Tx, id writ.RunID, assigned writ.AssignmentID, why writ.Reason) (bool, error) {
	if why != writ.ReasonProofExpired && why != writ.ReasonPresentedTwice {
		return false, nil
	}
	run, row, err := store.Load[runRow](tx, store.Runs, string(id))
	if err != nil || run.Run.State != writ.RunGranted {
		return false, err
	}
	g, grow, err := store.Load[grantRow](tx, store.Grants, string(run.Run.Grant))
	if err != nil || !g.Held {
		return false, err
	}
	if g.Assignment != assigned {
		return true, nil // it was presented again meanwhile
	}
	return true, c.lapse(tx, &run, &row, g, grow, why)
}

// RevokeGrant ends a grant that was not spent: its requester or a person may. It is idempotent. The run of a grant that was
// never presented ends at once and gives back what it held; one that a runner may have in hand ends there, since the
// runner hears of the revocation before it spends the grant, or asks before its first step.
func (c *Control) RevokeGrant(ctx context.Context, who writ.Principal, id writ.GrantID) error {
	if !who.Valid() || who.Kind != writ.KindAgent && who.Kind != writ.KindHuman {
		return writ.Refuse(writ.ReasonKind, "only an agent or a person may call this")
	}
	var plan writ.PlanID
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		g, grow, err := store.Load[grantRow](tx, store.Grants, string(id))
		if err != nil {
			return notFound(err, "grant", string(id))
		}
		run, row, err := visible(tx, who, g.Run)
		if err != nil {
			return notFound(writ.ErrNotFound, "grant", string(id))
		}
		plan = g.Plan
		switch {
		case grow.State != stateOn:
			return nil
		case run.Run.State != writ.RunGranted:
			r := spent(run).(*writ.Refusal)
			if !run.Run.State.Final() {
				r.Hint = "a person stops it: writ stop " + string(run.Run.ID)
			}
			return r
		}
		return c.stopRun(tx, run, row, who, writ.ReasonRevoked)
	})
	if err != nil {
		return c.deny(ctx, "revoke", who, plan, err)
	}
	return nil
}
