package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// A Veto is an external decision point. Permits reports whether it clearly permits what local policy allows; false is its
// no, and an error is everything else: no answer in time, or none that can be read. It is called outside transactions,
// concurrently, and returns within its own time limit. It is handed names and facts, never a credential.
type Veto interface {
	Permits(ctx context.Context, q VetoQuestion) (bool, error)
}

// A VetoQuestion is what the external decision point is told.
type VetoQuestion struct {
	Subject  writ.Principal
	Playbook string
	Service  string
	Plan     writ.PlanID
	Digest   writ.Digest
	Incident writ.IncidentID
	Facts    json.RawMessage // what local policy saw
}

// A vetoAnswer is what was said about one plan.
type vetoAnswer struct {
	digest writ.Digest
	said   string
	at     time.Time
}

// What Facts.Veto says.
const (
	vetoPermit     = "permit"
	vetoDeny       = "deny"
	vetoUnanswered = "unanswered"
)

// vetoLife is how old an answer may be in the transaction that issues: it is asked right before, and a transaction waits for
// others at most for seconds.
const vetoLife = 30 * time.Second

// askVeto asks about a plan that local policy does not deny, before the transaction that decides it: a call over the network
// inside would hold locks. Only that transaction's own decision counts; the answer can but turn its allow into a deny.
// While approvals are still missing it asks only when one may be about to come in. It returns nil when there is nobody to
// ask, or nothing to ask about.
func (c *Control) askVeto(ctx context.Context, p planRow, plan writ.Plan, approving bool) (*vetoAnswer, error) {
	if c.Veto == nil {
		return nil, nil
	}
	var d writ.Decision
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		q, err := c.request(tx, p, plan, "")
		if err == nil {
			d, err = c.judge(tx, q, plan)
		}
		return err
	})
	if err != nil || !d.Allowed() && !(approving && d.Verdict == writ.Requires) {
		return nil, err
	}
	out := &vetoAnswer{digest: p.Digest, said: vetoUnanswered, at: c.now()} // by the facts of before the call
	permitted, err := c.Veto.Permits(ctx, VetoQuestion{
		Subject: plan.Requester, Playbook: plan.Playbook.Name, Service: plan.Service, Plan: plan.ID, Digest: p.Digest, Incident: plan.Incident, Facts: d.Facts,
	})
	switch {
	case err != nil:
		c.Log.WarnContext(ctx, "the external decision point gave no answer that counts", "plan", plan.ID, "error", writ.Printable(err.Error(), 300))
	case permitted:
		out.said = vetoPermit
	default:
		out.said = vetoDeny
	}
	return out, nil
}

// vetoOn is askVeto for a plan in this state: one that waits and that a person answers, or one that is ready and whose grant
// its agent fetches. A plan that cannot be read is left to the transaction.
func (c *Control) vetoOn(ctx context.Context, id writ.PlanID, state writ.PlanState) (*vetoAnswer, error) {
	if c.Veto == nil {
		return nil, nil
	}
	var p planRow
	there := false
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		got, row, err := store.Load[planRow](tx, store.Plans, string(id))
		p, there = got, writ.PlanState(row.State) == state
		return notFound(err, "plan", string(id))
	})
	if err != nil || !there {
		return nil, err
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return nil, err
	}
	return c.askVeto(ctx, p, plan, state == writ.PlanWaiting)
}

// vetoFact is what counts in the transaction that issues. Without an answer about exactly this plan, just now, there is none.
func (c *Control) vetoFact(p planRow, plan writ.Plan) string {
	switch {
	case c.Veto == nil || plan.Tier < writ.T1:
		return ""
	case p.veto == nil || !p.veto.digest.Equal(p.Digest) || c.now().Sub(p.veto.at) > vetoLife:
		return vetoUnanswered
	}
	return p.veto.said
}

// Action names what is asked about, as policy does.
func (q VetoQuestion) Action() string { return policy.PlaybookAction(q.Playbook) }
