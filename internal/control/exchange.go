package control

import (
	"context"
	"crypto/ecdsa"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

const (
	// exchangeLife is how long a plan that is allowed waits for its holder: as long as a grant could live. An agent that
	// polls asks again within seconds, and one that restarts is back within minutes; after that, what the plan was made
	// from is too old, and it is proposed again.
	exchangeLife = writ.MaxGrantLife

	// afterPending is what an agent is told to wait between two questions for its grant (RFC 8628 section 3.2 says 5 s).
	afterPending = 5 * time.Second
)

// mode says who holds the key of the plan's grant.
func (p planRow) mode() writ.HolderMode {
	if p.Proposal.Holder != "" {
		return writ.ModeKey
	}
	return writ.ModeHandle
}

// holderOf is the key that a plan must name.
func (c *Control) holderOf(p planRow) string {
	if p.Proposal.Holder != "" {
		return p.Proposal.Holder
	}
	return c.holder
}

// GrantKeySet returns the keys whose grants may be alive, by key id.
func (c *Control) GrantKeySet() map[string]*ecdsa.PublicKey {
	out := map[string]*ecdsa.PublicKey{token.KeyID(&c.GrantKey.PublicKey): &c.GrantKey.PublicKey}
	for _, key := range c.GrantKeys {
		out[token.KeyID(key)] = key
	}
	return out
}

// dispatcher is the key that presents the grant of a plan that names holder: while the key is being replaced, plans name the
// next one or the previous one too. For a holder that is none of them there is no key, and the plan cannot be carried out.
func (c *Control) dispatcher(holder string) *ecdsa.PrivateKey {
	for _, key := range append([]*ecdsa.PrivateKey{c.DispatchKey}, c.Dispatchers...) {
		if subtle.ConstantTimeCompare([]byte(token.Thumbprint(&key.PublicKey)), []byte(holder)) == 1 {
			return key
		}
	}
	return nil
}

// ours reports whether a plan of p may name this holder: the agent's own, or a key by which the control plane presents.
func (c *Control) ours(p planRow, holder string) bool {
	if p.mode() == writ.ModeKey {
		return holder == p.Proposal.Holder
	}
	return c.dispatcher(holder) != nil
}

// mayHold checks the key that an agent wants its grant to be bound to.
func mayHold(by writ.Principal, holder string) error {
	switch {
	case holder == "":
		return nil
	case by.Kind != writ.KindAgent:
		return writ.Refuse(writ.ReasonKind, "holder: only an agent holds a grant")
	case !token.IsThumbprint(holder):
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "holder must be the RFC 7638 thumbprint of a P-256 key: 43 characters of base64url"}
	}
	return nil
}

// goOn does what follows when nothing stands against a plan any more: it issues the grant, or lets the plan wait for the
// agent that is to hold it. In that case whether it is allowed now was decided in this transaction if decided is set, and
// is decided here otherwise; it is decided once more when the grant is issued.
func (c *Control) goOn(tx *store.Tx, p planRow, row store.Row, plan writ.Plan, decided bool) error {
	if p.mode() == writ.ModeHandle {
		return c.issue(tx, p, row, plan)
	}
	if !decided {
		d, err := c.decide(tx, &p, plan, writ.PhasePlan, "")
		if err != nil {
			return err
		}
		if ended, err := c.overtaken(tx, p, row, plan, d); ended || err != nil {
			return err
		}
		switch {
		case d.Verdict == writ.Requires:
			return store.Save(tx, store.Plans, row, row.State, p)
		case d.Verdict != writ.Allow:
			return c.denied(tx, p, row, plan, d)
		}
	}
	if p.ExpiresAt = c.now().Add(exchangeLife); p.ExpiresAt.After(plan.Window.NotAfter) {
		p.ExpiresAt = plan.Window.NotAfter
	}
	p.Reason = writ.ReasonAllowed
	row.Due = millis(p.ExpiresAt)
	return c.movePlan(tx, p, row, writ.PlanReady)
}

// Exchange issues the grant of the plan that details names to the holder of the key with this thumbprint, which the caller
// has verified. The plan is decided again, and locks, attempts, blast radius and grant are written in one transaction with
// its entry, as for a grant that the control plane holds. The same question again, while the grant lives, is answered with
// the same grant: there is never a second one. While the plan is not allowed yet, the refusal says authorization_pending.
//
// The token in the answer is for the caller alone: it must come into no log, tool answer or error.
func (c *Control) Exchange(ctx context.Context, who writ.Principal, thumbprint string, details writ.Authorization, runner writ.RunnerID) (writ.IssuedGrant, error) {
	out, err := c.exchange(ctx, who, thumbprint, details, runner)
	if err != nil {
		if writ.ReasonOf(err) == writ.ReasonPending { // an agent that polls is not refused anything
			return writ.IssuedGrant{}, err
		}
		return writ.IssuedGrant{}, c.deny(ctx, "exchange", who, details.Plan, err)
	}
	return out, nil
}

func (c *Control) exchange(ctx context.Context, who writ.Principal, thumbprint string, details writ.Authorization, runner writ.RunnerID) (writ.IssuedGrant, error) {
	if who.Kind != writ.KindAgent {
		return writ.IssuedGrant{}, writ.Refuse(writ.ReasonKind, "only an agent holds a grant")
	}
	if _, err := c.asker(ctx, who, writ.RoleRepair); err != nil {
		return writ.IssuedGrant{}, err
	}
	veto, err := c.vetoOn(ctx, details.Plan, writ.PlanReady)
	if err != nil {
		return writ.IssuedGrant{}, err
	}
	var out writ.IssuedGrant
	var after error // what the caller is told once the transaction stands
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		out, after = writ.IssuedGrant{}, nil // the store may call again
		p, row, err := store.Load[planRow](tx, store.Plans, string(details.Plan))
		if err == nil && !p.Proposal.By.Same(who) {
			err = writ.ErrNotFound // an agent sees its own plans only
		}
		if err != nil {
			return notFound(err, "plan", string(details.Plan))
		}
		plan, err := c.mayExchange(tx, p, writ.PlanState(row.State), thumbprint, details, runner)
		if err != nil {
			return err
		}
		if writ.PlanState(row.State) == writ.PlanReady {
			p.veto = veto
			if err := c.issue(tx, p, row, plan); err != nil {
				return err
			}
			if p, row, err = store.Load[planRow](tx, store.Plans, string(details.Plan)); err != nil {
				return err
			}
		}
		out, after, err = c.issued(tx, p, writ.PlanState(row.State))
		return err
	})
	if err == nil {
		err = after
	}
	return out, err
}

// mayExchange checks what the caller asks for against the plan. It changes nothing.
func (c *Control) mayExchange(tx *store.Tx, p planRow, state writ.PlanState, thumbprint string, details writ.Authorization, runner writ.RunnerID) (writ.Plan, error) {
	none := writ.Plan{}
	if _, err := c.agent(tx, p.Proposal.By); err != nil { // it was suspended a moment ago
		return none, err
	}
	switch {
	case p.mode() != writ.ModeKey:
		return none, &writ.Refusal{Code: writ.ReasonHolderAltered, Kind: writ.ErrConflict, Detail: "the proposal named no holder, so the control plane holds this plan's grant",
			Hint: "follow the plan; or propose it with holder, the thumbprint of a key of yours"}
	case subtle.ConstantTimeCompare([]byte(thumbprint), []byte(p.Proposal.Holder)) != 1:
		return none, writ.Refuse(writ.ReasonHolderAltered, "the proof was made with another key than the one that the proposal names as holder")
	case runner != p.Runner:
		return none, writ.Refuse(writ.ReasonRunnerAltered, "resource must be the plan's runner, "+string(p.Runner))
	case state == writ.PlanPlanning || p.Bytes == nil && !state.Final():
		return none, c.pending(p, "a runner is working it out")
	case p.Bytes == nil:
		return none, over(p, state)
	}
	plan, digest, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return none, err
	}
	if err := grant.Narrow(details, plan, digest); err != nil {
		return none, err
	}
	if stop, err := frozen(tx, plan); err != nil {
		return none, err
	} else if stop && !state.Final() {
		return none, &writ.Refusal{Code: writ.ReasonFrozen, Kind: writ.ErrFrozen, Detail: "a person has frozen this", Hint: "a person can lift it: writ unfreeze"}
	}
	if state == writ.PlanReady && !c.now().Before(p.ExpiresAt) { // the sweep that writes it down may come later
		return none, &writ.Refusal{Code: writ.ReasonExpired, Kind: writ.ErrConflict, Detail: "its holder did not ask for the grant in time", Hint: "propose it again"}
	}
	return plan, nil
}

// issued returns the grant of a plan that has one, or what to tell instead.
func (c *Control) issued(tx *store.Tx, p planRow, state writ.PlanState) (out writ.IssuedGrant, refusal, err error) {
	switch {
	case state == writ.PlanWaiting:
		return out, c.pending(p, "it waits for people"), nil
	case state == writ.PlanReady:
		return out, c.pending(p, "what it rests on is being read again"), nil
	case state != writ.PlanGranted:
		return out, over(p, state), nil
	}
	run, row, err := store.Load[runRow](tx, store.Runs, string(p.Run))
	if err != nil {
		return out, nil, err
	}
	g, grow, err := store.Load[grantRow](tx, store.Grants, string(run.Run.Grant))
	if err != nil {
		return out, nil, err
	}
	switch {
	case writ.RunState(row.State) != writ.RunGranted:
		return out, spent(run), nil
	case grow.State != stateOn:
		return out, &writ.Refusal{Code: writ.ReasonRevoked, Kind: writ.ErrConflict, Detail: "the grant was revoked", Hint: "propose it again"}, nil
	case !c.now().Before(g.Expires):
		return out, &writ.Refusal{Code: writ.ReasonGrantExpired, Kind: writ.ErrConflict, Detail: "the grant has expired unused", Hint: "propose it again"}, nil
	}
	return writ.IssuedGrant{Token: g.Token, Grant: g.ID, Plan: p.ID, Run: run.Run.ID, Expires: g.Expires}, nil, nil
}

// pending is the answer while a plan is not allowed yet.
func (c *Control) pending(p planRow, why string) error {
	return &writ.Refusal{
		Code: writ.ReasonPending, Kind: writ.ErrConflict, After: afterPending,
		Detail: fmt.Sprintf("plan %s is not allowed yet: %s", p.ID, why), Hint: fmt.Sprintf("ask again later; GET /v1/plans/%s tells the state", p.ID),
	}
}

// over refuses what a plan that has ended is asked for.
func over(p planRow, state writ.PlanState) error {
	r := &writ.Refusal{Code: p.Reason, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the plan is %s", state), Hint: p.Hint}
	if r.Code == "" || r.Code == writ.ReasonAllowed {
		r.Code = writ.ReasonSpent
	}
	if p.Detail != "" {
		r.Detail += ": " + p.Detail
	}
	return r
}

// spent refuses a grant whose run is under way or over.
func spent(run runRow) error {
	return &writ.Refusal{
		Code: writ.ReasonSpent, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the grant was used: run %s is %s", run.Run.ID, run.Run.State),
		Hint: fmt.Sprintf("GET /v1/runs/%s tells what came of it", run.Run.ID),
	}
}

// nextOf is what the holder of a plan does next, as a hint.
func nextOf(p planRow, state writ.PlanState) string {
	if p.Hint == "" && state.Final() && state != writ.PlanDone {
		return p.Reason.Nearest()
	}
	if p.mode() != writ.ModeKey || state != writ.PlanReady {
		return p.Hint
	}
	return fmt.Sprintf("its agent exchanges it for the grant, with its own key and resource=%s, before %s", p.Runner, clock(p.ExpiresAt))
}

// unfetched ends a plan whose holder did not come.
func unfetched() assignment.Refused {
	return assignment.Refused{Code: writ.ReasonExpired, Detail: "it was allowed, and its agent did not fetch the grant in time", Hint: "propose it again"}
}
