package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/store"
)

// BreakGlass says what an ask for break-glass needs. Zero members mean the defaults.
type BreakGlass struct {
	AskProof writ.ProofLevel // of the signed ask: B by default, and at least C
	PerDay   int             // asks of one team within 24 hours; drills are counted apart, and alike
}

// The defaults. A team that breaks the glass more often than three times a day has no emergency but a missing playbook.
const (
	defaultAskProof  = writ.ProofB
	defaultGlassADay = 3
	glassWindow      = 24 * time.Hour
)

func (b BreakGlass) whole() BreakGlass {
	if b.AskProof == "" {
		b.AskProof = defaultAskProof
	}
	if b.PerDay == 0 {
		b.PerDay = defaultGlassADay
	}
	return b
}

func (b BreakGlass) check() error {
	if b.AskProof.Strength() < writ.ProofC.Strength() || b.PerDay < 1 || b.PerDay > maxGlassADay {
		return fmt.Errorf("%w: control: break-glass takes an ask_proof of A, B or C, and 1 to %d asks a day", writ.ErrInvalid, maxGlassADay)
	}
	return nil
}

// maxGlassADay is above any number that is still an exception, and bounds what one ask looks at.
const maxGlassADay = 100

// A glassRow is one break-glass. Key of the row is the team, Due when its review is due.
type glassRow struct {
	ID            writ.BreakGlassID
	Plan          writ.PlanID
	Incident      writ.IncidentID
	Service       string
	Team          string
	Playbook      writ.PlaybookRef
	Asker         writ.Principal
	Signers       []writ.Person   `json:",omitempty"` // of one that was used offline
	Proof         writ.ProofLevel `json:",omitempty"`
	Signed        writ.Signed     // the ask
	Justification writ.Commitment `json:",omitzero"`
	Drill         bool            `json:",omitempty"`
	Offline       bool            `json:",omitempty"`
	AskedAt       time.Time
	Expires       time.Time
	Leaf          writ.Digest // of the ask's entry, or the runner's
	Run           writ.RunID  `json:",omitempty"`
	ReviewDue     *time.Time  `json:",omitempty"`
	Refusal       writ.Reason `json:",omitempty"`
	PassedAt      *time.Time  `json:",omitempty"`
	Review        *glassReview
}

type glassReview struct {
	By      writ.Principal
	At      time.Time
	Verdict writ.ReviewVerdict
	Note    writ.Commitment
}

// AskBreakGlass takes a person's signed ask for one emergency playbook on one open incident, or for a drill, and opens its
// plan. It gives no right: policy decides the plan like any other, somebody else approves it, and the runner judges it
// under its own ceiling.
func (c *Control) AskBreakGlass(ctx context.Context, by writ.Principal, ask writ.BreakGlassAsk) (writ.BreakGlass, error) {
	id, err := c.askGlass(ctx, by, ask)
	if err != nil {
		return writ.BreakGlass{}, c.deny(ctx, "breakglass", by, "", err)
	}
	return c.BreakGlassOf(ctx, by, id)
}

func (c *Control) askGlass(ctx context.Context, by writ.Principal, ask writ.BreakGlassAsk) (id writ.BreakGlassID, err error) {
	if err := glassPerson(by); err != nil {
		return "", err
	}
	if n := utf8.RuneCountInString(ask.Justification); n == 0 || n > maxBecause {
		return "", &writ.Refusal{Code: writ.ReasonForm, Detail: fmt.Sprintf("justification must have 1 to %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	if len(ask.Evidence) > maxEvidenceCitation {
		return "", &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("more than %d pieces of evidence", maxEvidenceCitation), Kind: writ.ErrInvalid}
	}
	if err := c.asked(ctx, by, ask.Statement); err != nil {
		return "", err
	}
	signed := writ.Signed{Statement: ask.Statement, Signature: ask.Signature, Passkey: ask.Passkey}
	var v approval.Asked
	err = c.Store.View(ctx, func(tx *store.Tx) (err error) {
		v, err = c.verifyAsk(tx, signed)
		return err
	})
	if err != nil {
		return "", err
	}
	s := v.Statement
	if !s.Asker.Principal().Same(by) {
		return "", writ.Refuse(writ.ReasonBreakGlassMismatch, "the statement names another person than the one who sends it")
	}
	pb, err := c.emergency(s, ask.Parameters)
	if err != nil {
		return "", err
	}
	why, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(ask.Justification))
	if err != nil {
		return "", err
	}
	if id, err = newID[writ.BreakGlassID](c, "bgl"); err != nil {
		return "", err
	}
	return id, c.Store.Update(ctx, func(tx *store.Tx) error {
		v, err := c.verifyAsk(tx, signed) // again: a passkey may have been removed since
		if err != nil {
			return err
		}
		if err := c.mayGlass(tx, v.Groups, s); err != nil {
			return err
		}
		in, err := c.glassIncident(tx, by, s)
		if err != nil {
			return err
		}
		digest, err := signed.Digest()
		if err != nil {
			return err
		}
		g := glassRow{
			ID: id, Incident: in.ID, Service: in.Service, Team: in.Owner, Playbook: s.Playbook, Asker: by, Proof: v.Proof, Signed: signed, Justification: why,
			Drill: s.Drill, AskedAt: c.now(), Expires: s.Expires,
		}
		if err := c.onceGlass(tx, id, s); err != nil {
			return err
		}
		if ask.Passkey != nil {
			if err := c.asserted(tx, glassName(by), s.Nonce, v.Passkey, v.Counter, "/v1/breakglass/begin"); err != nil {
				return err
			}
		}
		wanted := writ.Ask{Incident: in.ID, Playbook: pb.Playbook.Name, Parameters: ask.Parameters, Evidence: ask.Evidence}
		if err := c.mayRepair(tx, by, wanted, in, pb); err != nil {
			return err
		}
		_, err = c.openPlan(tx, by, wanted, in, pb, "breakglass "+string(id), why, &flagged{
			Emergency: writ.Emergency{ID: id, Ask: digest, Drill: s.Drill}, until: s.Expires,
			enter: func(plan writ.PlanID) (writ.Digest, error) { g.Plan = plan; return c.enterGlass(tx, g, v) },
		})
		return err
	})
}

// enterGlass writes the ask's entry and row. Those who own the service are told by the entry: whoever follows the ledger
// passes it on.
func (c *Control) enterGlass(tx *store.Tx, g glassRow, v approval.Asked) (writ.Digest, error) {
	e, err := c.append(tx, writ.EntryBreakGlass, g.Incident, writ.BreakGlassBody{
		ID: g.ID, Plan: g.Plan, Service: g.Service, Team: g.Team, Asker: v.Person, Playbook: g.Playbook, Drill: g.Drill, Proof: v.Proof, Key: v.Key,
		Justification: g.Justification, Statement: g.Signed.Statement, Signature: g.Signed.Signature, Passkey: g.Signed.Passkey,
	})
	if err != nil {
		return writ.Digest{}, err
	}
	g.Leaf = e.hash
	c.Log.Warn("break-glass was asked for", "breakglass", string(g.ID), "team", g.Team, "service", g.Service, "incident", string(g.Incident), "playbook", g.Playbook.Name, "by", g.Asker.Sub, "drill", g.Drill)
	return e.hash, store.Create(tx, store.BreakGlasses, store.Row{
		ID: string(g.ID), Incident: string(g.Incident), State: string(writ.BreakGlassAsked), Key: g.Team,
	}, g)
}

// emergency finds the playbook that was signed for, and checks that it is for emergencies, of that very content, with the
// parameters that were signed.
func (c *Control) emergency(s writ.BreakGlassStatement, with writ.Parameters) (Published, error) {
	pb, err := c.Library.Find(s.Playbook.Name)
	if err != nil {
		return pb, err
	}
	digest, err := with.Digest()
	switch {
	case err != nil:
		return pb, err
	case !pb.Playbook.Emergency:
		return pb, &writ.Refusal{
			Code: writ.ReasonBreakGlass, Kind: writ.ErrDenied, Detail: fmt.Sprintf("playbook %s is not for emergencies", pb.Playbook.Name), Hint: "propose it: writ plan new " + pb.Playbook.Name,
		}
	case pb.Ref() != s.Playbook:
		return pb, writ.Refuse(writ.ReasonBreakGlassMismatch, "another content of the playbook was signed for than is published now")
	case !digest.Equal(s.Parameters):
		return pb, writ.Refuse(writ.ReasonBreakGlassMismatch, "the parameters are not those that were signed")
	}
	bound, err := pb.Playbook.Bind(with)
	if err != nil {
		return pb, err
	}
	if whole, err := bound.Parameters.Digest(); err != nil || !whole.Equal(digest) {
		return pb, writ.Refuse(writ.ReasonBreakGlassMismatch, "the parameters are signed with their defaults filled in")
	}
	return pb, nil
}

// mayGlass refuses whoever does not belong to the service's team, and a team that owes a review or has asked too often.
func (c *Control) mayGlass(tx *store.Tx, groups []string, s writ.BreakGlassStatement) error {
	service, err := c.Services.Find(s.Service)
	if err != nil {
		return err
	}
	if !fillsSlot(groups, service.Owner) {
		return writ.Refuse(writ.ReasonApproverUnknown, fmt.Sprintf("only people of %s, and those on call for it, break the glass of %s", service.Owner, service.Name))
	}
	late, _, err := find[glassRow](tx, store.BreakGlasses, store.Filter{Key: service.Owner, State: string(writ.BreakGlassUsed)})
	if err != nil {
		return err
	}
	for _, g := range late {
		if g.ReviewDue != nil && !c.now().Before(*g.ReviewDue) {
			return &writ.Refusal{
				Code: writ.ReasonReviewOverdue, Kind: writ.ErrDenied, Detail: fmt.Sprintf("the review of %s was due at %s: until it is made, %s breaks no glass", g.ID, g.ReviewDue.Format(time.RFC3339), service.Owner),
				Hint: "writ breakglass review " + string(g.ID),
			}
		}
	}
	recent, _, err := find[glassRow](tx, store.BreakGlasses, store.Filter{Key: service.Owner, Newest: true, Limit: 2 * maxGlassADay})
	if err != nil {
		return err
	}
	n, first := 0, c.now()
	for _, g := range recent {
		if !g.Offline && g.Drill == s.Drill && g.AskedAt.After(c.now().Add(-glassWindow)) {
			n, first = n+1, g.AskedAt
		}
	}
	if n >= c.BreakGlass.PerDay {
		return &writ.Refusal{
			Code: writ.ReasonBreakGlassRate, Kind: writ.ErrBusy, After: first.Add(glassWindow).Sub(c.now()),
			Detail: fmt.Sprintf("%s has asked for break-glass %d times within a day; that is the limit", service.Owner, n), Hint: "what happens this often is no emergency: write a playbook for it",
		}
	}
	return nil
}

// fillsSlot reports whether groups fill a slot of a team's services.
func fillsSlot(groups []string, team string) bool {
	for _, g := range Slots(team) {
		if slices.Contains(groups, g) {
			return true
		}
	}
	return false
}

// glassIncident is the open incident that the ask is for. A drill gets one of its own.
func (c *Control) glassIncident(tx *store.Tx, by writ.Principal, s writ.BreakGlassStatement) (writ.Incident, error) {
	if !s.Drill {
		in, err := openIncident(tx, s.Incident)
		if err == nil && in.Service != s.Service {
			err = writ.Refuse(writ.ReasonBreakGlassMismatch, fmt.Sprintf("the incident is of service %s, and %s was signed for", in.Service, s.Service))
		}
		return in, err
	}
	service, err := c.Services.Find(s.Service)
	if err != nil {
		return writ.Incident{}, err
	}
	id, err := newID[writ.IncidentID](c, "inc")
	if err != nil {
		return writ.Incident{}, err
	}
	return c.openByHand(tx, writ.Incident{
		ID: id, GroupKey: "breakglass drill " + s.Nonce, Title: "break-glass drill on " + service.Name, Service: service.Name, Environment: service.Environment,
		Owner: service.Owner, Severity: writ.SeverityMax, OpenedBy: by,
	})
}

// openByHand opens an incident that no alert tells of.
func (c *Control) openByHand(tx *store.Tx, in writ.Incident) (writ.Incident, error) {
	in.State, in.OpenedAt = writ.IncidentOpen, c.now()
	if err := store.Create(tx, store.Incidents, store.Row{ID: string(in.ID), Incident: string(in.ID), State: string(in.State), Key: in.GroupKey}, in); err != nil {
		return in, err
	}
	return in, c.incidentEntry(tx, in, nil)
}

// mayRepair is what any ask must pass: freezes, and what runs on the object or ran on it lately. Break-glass passes no
// limit.
func (c *Control) mayRepair(tx *store.Tx, by writ.Principal, ask writ.Ask, in writ.Incident, pb Published) error {
	if err := c.mayAsk(tx, by, ask, pb); err != nil {
		return err
	}
	repair, err := repairOf(in.Service, ask.Playbook, ask.Parameters)
	if err != nil {
		return err
	}
	if err := underWay(tx, repair); err != nil {
		return err
	}
	if r, err := c.tooOften(tx, ask.Playbook, repair); err != nil {
		return err
	} else if r != nil {
		return r
	}
	return nil
}

// A usedAsk remembers which break-glass a statement opened.
type usedAsk struct{ ID writ.BreakGlassID }

func glassNonce(s writ.BreakGlassStatement) string {
	return writ.DigestOf([]byte("breakglass " + s.Nonce)).String()
}

// onceGlass uses the statement up, until it could not be used any more for its own time.
func (c *Control) onceGlass(tx *store.Tx, id writ.BreakGlassID, s writ.BreakGlassStatement) error {
	key := glassNonce(s)
	err := store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: millis(s.Expires.Add(nonceMargin))}, usedAsk{id})
	if errors.Is(err, writ.ErrConflict) {
		return replayed()
	}
	return err
}

func replayed() error {
	return &writ.Refusal{Code: writ.ReasonBreakGlassReplayed, Kind: writ.ErrDenied, Detail: "this ask was used before: one signature, one plan, one run", Hint: "sign a new one: writ breakglass open"}
}

// asked refuses a statement that was used before. When it was a drill's, and the drill's run has succeeded, this refusal is
// the other half of the drill.
func (c *Control) asked(ctx context.Context, by writ.Principal, statement []byte) error {
	s, err := writ.ParseBreakGlassStatement(statement)
	if err != nil {
		return &writ.Refusal{Code: writ.ReasonBreakGlassForm, Kind: writ.ErrInvalid, Detail: writ.Printable(err.Error(), 300)}
	}
	var used usedAsk
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		used, _, err = store.Load[usedAsk](tx, store.Nonces, glassNonce(s))
		return err
	})
	switch {
	case errors.Is(err, writ.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if s.Drill {
		if err := c.passDrill(ctx, by, used.ID, writ.ReasonBreakGlassReplayed); err != nil {
			return err
		}
	}
	return replayed()
}
