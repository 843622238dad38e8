package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/lineage"
	"github.com/writ-dev/writ/internal/store"
)

// A handOffRow is a hand-off; the state of its row says whether it was revoked.
type handOffRow struct {
	HandOff writ.HandOff
	Leaf    writ.Digest
}

// maxHandOffs bounds the hand-offs of one incident: three deep, and each agent's handful of tries.
const maxHandOffs = 32

// HandOff passes an incident on to another registered agent: evidence, a claim and the playbooks that may be asked for,
// no power. It is an entry of its own, durable on return (invariants I10 and I11).
func (c *Control) HandOff(ctx context.Context, by writ.Principal, ask writ.HandOffAsk) (writ.HandOffStatus, error) {
	h, err := c.handOff(ctx, by, ask)
	if err != nil {
		return writ.HandOffStatus{}, c.deny(ctx, "hand off", by, "", err)
	}
	return c.HandedOff(ctx, by, h.ID)
}

func (c *Control) handOff(ctx context.Context, by writ.Principal, ask writ.HandOffAsk) (h writ.HandOff, err error) {
	if by.Kind != writ.KindAgent {
		return h, writ.Refuse(writ.ReasonKind, "only an agent hands off; people see hand-offs and revoke them")
	}
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return h, err
	}
	life := time.Duration(ask.Seconds) * time.Second
	switch {
	case utf8.RuneCountInString(ask.Because) > maxBecause:
		return h, &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("because has more than %d characters", maxBecause), Kind: writ.ErrInvalid}
	case len(ask.Evidence) > maxEvidenceCitation:
		return h, &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("more than %d pieces of evidence", maxEvidenceCitation), Kind: writ.ErrInvalid}
	case ask.Seconds < 0 || life > lineage.MaxLife:
		return h, &writ.Refusal{Code: writ.ReasonForm, Detail: fmt.Sprintf("seconds must be 0 to %d", int(lineage.MaxLife.Seconds())), Kind: writ.ErrInvalid}
	}
	for _, name := range ask.Playbooks {
		if _, err := c.Library.Find(name); err != nil {
			return h, err
		}
	}
	var note writ.Commitment
	if ask.Because != "" {
		if note, err = c.Store.PutBlob(ctx, blobClaim, classClaim, []byte(ask.Because)); err != nil {
			return h, err
		}
	}
	id, err := newID[writ.HandOffID](c, "hnd")
	if err != nil {
		return h, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := stopped(tx, by); err != nil {
			return err
		}
		if _, err := openIncident(tx, ask.Incident); err != nil {
			return err
		}
		to, err := c.named(tx, ask.To)
		if err == nil {
			to, err = c.agent(tx, to.Principal())
		}
		if err != nil {
			return err
		}
		refs, cited, err := c.citations(tx, by, writ.Ask{Incident: ask.Incident, Evidence: ask.Evidence}, nil)
		if err != nil {
			return err
		}
		at := c.now()
		h = writ.HandOff{
			V: writ.FormatVersion, ID: id, Incident: ask.Incident, From: by, To: to.Principal(), Parent: ask.Parent,
			Playbooks: slices.Compact(slices.Sorted(slices.Values(ask.Playbooks))), MaxTier: ask.MaxTier, Evidence: refs, Note: note, At: at,
		}
		parent, before, err := c.before(tx, by, ask)
		if err != nil {
			return err
		}
		if h.Expires = at.Add(life); life == 0 {
			h.Expires = at.Add(lineage.MaxLife)
			if parent != nil && parent.Expires.Before(h.Expires) {
				h.Expires = parent.Expires
			}
		}
		if h.Lineage, err = lineage.Extend(parent, h); err != nil {
			return err
		}
		return c.enterHandOff(tx, h, append(cited, before...))
	})
	return h, err
}

// before returns the hop before, and its entry. It is the giver's own and stands.
func (c *Control) before(tx *store.Tx, by writ.Principal, ask writ.HandOffAsk) (*writ.HandOff, []writ.Ref, error) {
	if ask.Parent == "" {
		return nil, nil, nil
	}
	doc, err := passedTo(tx, by, ask.Parent)
	return &doc.HandOff, ref("handoff", doc.Leaf), err
}

// passedTo returns a hand-off to this agent that nobody has revoked. One to others does not exist for it.
func passedTo(tx *store.Tx, by writ.Principal, id writ.HandOffID) (handOffRow, error) {
	doc, row, err := store.Load[handOffRow](tx, store.HandOffs, string(id))
	switch {
	case errors.Is(err, writ.ErrNotFound) || err == nil && !doc.HandOff.To.Same(by):
		return doc, &writ.Refusal{Code: writ.ReasonUnknownHandOff, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("there is no hand-off %s to you", writ.Printable(string(id), 40)), Hint: "list_incidents tells what was handed to you"}
	case err == nil && row.State != stateOn:
		return doc, writ.Refuse(writ.ReasonHandOff, "the hand-off was revoked")
	}
	return doc, err
}

func (c *Control) enterHandOff(tx *store.Tx, h writ.HandOff, refs []writ.Ref) error {
	in := store.Filter{Incident: string(h.Incident)}
	if n, err := tx.Count(store.HandOffs, in, maxHandOffs); err != nil {
		return err
	} else if n >= maxHandOffs {
		return &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrConflict, Detail: fmt.Sprintf("this incident was handed off %d times already; that is the limit", maxHandOffs), Hint: "a person has to look"}
	}
	body := writ.HandOffBody{
		HandOff: h.ID, From: h.From, To: h.To, Parent: h.Parent, Lineage: h.Lineage, Playbooks: h.Playbooks, MaxTier: h.MaxTier, Note: h.Note, Expires: h.Expires,
	}
	if len(h.Evidence) > 0 {
		b, err := canon.Marshal(h.Evidence)
		if err != nil {
			return err
		}
		body.Evidence = writ.DigestOf(b)
	}
	e, err := c.append(tx, writ.EntryHandOff, h.Incident, body, refs...)
	if err != nil {
		return err
	}
	return store.Create(tx, store.HandOffs, store.Row{ID: string(h.ID), Incident: string(h.Incident), Key: agentID(h.To), State: stateOn}, handOffRow{HandOff: h, Leaf: e.hash})
}

// under checks that an ask lies within the hand-off that it names, and returns it with its entry; no hand-off when it
// names none.
func (c *Control) under(tx *store.Tx, by writ.Principal, ask writ.Ask) (writ.HandOff, []writ.Ref, error) {
	if ask.HandOff == "" {
		return writ.HandOff{}, nil, nil
	}
	doc, err := passedTo(tx, by, ask.HandOff)
	if err == nil {
		err = lineage.Covers(doc.HandOff, by, ask.Incident, ask.Playbook, c.now())
	}
	return doc.HandOff, ref("handoff", doc.Leaf), err
}

// coversTier refuses a plan of a higher tier in force than was passed on.
func coversTier(tx *store.Tx, id writ.HandOffID, t writ.Tier) (*assignment.Refused, error) {
	if id == "" {
		return nil, nil
	}
	doc, _, err := store.Load[handOffRow](tx, store.HandOffs, string(id))
	if err != nil {
		return nil, err
	}
	if err := lineage.CoversTier(doc.HandOff, t); err != nil {
		return &assignment.Refused{Code: writ.ReasonHandOff, Detail: err.Error(), Hint: "the giver passes it on with a higher max_tier, or you ask without hand_off, in your own name alone"}, nil
	}
	return nil, nil
}

// HandedOff returns one hand-off: its giver, its recipient and people may see it.
func (c *Control) HandedOff(ctx context.Context, by writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	var out []writ.HandOffStatus
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		doc, row, err := store.Load[handOffRow](tx, store.HandOffs, string(id))
		if err == nil && !maySee(by, doc.HandOff) {
			err = writ.ErrNotFound
		}
		if err != nil {
			return notFound(err, "hand-off", string(id))
		}
		out, err = c.showHandOffs(tx, []handOffRow{doc}, []store.Row{row})
		return err
	})
	if err != nil {
		return writ.HandOffStatus{}, err
	}
	out[0].Claim, err = c.text(ctx, out[0].Note)
	return out[0], err
}

// HandOffs lists hand-offs in the order in which they were made: of an incident or of all for people, and for an agent
// those from or to it.
func (c *Control) HandOffs(ctx context.Context, by writ.Principal, incident writ.IncidentID) ([]writ.HandOffStatus, error) {
	var out []writ.HandOffStatus
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		f := store.Filter{Incident: string(incident)}
		if by.Kind == writ.KindAgent && incident == "" {
			f.Key, f.State = agentID(by), stateOn
		}
		docs, rows, err := find[handOffRow](tx, store.HandOffs, f)
		if err != nil {
			return err
		}
		var seen []handOffRow
		var of []store.Row
		for i, d := range docs {
			if maySee(by, d.HandOff) {
				seen, of = append(seen, d), append(of, rows[i])
			}
		}
		out, err = c.showHandOffs(tx, seen, of)
		return err
	})
	return out, err
}

func maySee(by writ.Principal, h writ.HandOff) bool {
	return by.Kind == writ.KindHuman && by.Valid() || h.From.Same(by) || h.To.Same(by)
}

func (c *Control) showHandOffs(tx *store.Tx, docs []handOffRow, rows []store.Row) ([]writ.HandOffStatus, error) {
	out := make([]writ.HandOffStatus, 0, len(docs))
	for i, d := range docs {
		s := writ.HandOffStatus{HandOff: d.HandOff, State: c.handOffState(d, rows[i])}
		for p, name := range map[writ.Principal]*string{d.HandOff.From: &s.FromName, d.HandOff.To: &s.ToName} {
			a, _, err := c.registered(tx, p)
			if err != nil {
				return nil, err
			}
			*name = a.Name
		}
		out = append(out, s)
	}
	return out, nil
}

// handOffState says whether a hand-off stands: it is open.
func (c *Control) handOffState(d handOffRow, row store.Row) writ.HandOffState {
	switch {
	case row.State != stateOn:
		return writ.HandOffRevoked
	case !c.now().Before(d.HandOff.Expires):
		return writ.HandOffExpired
	}
	return writ.HandOffOpen
}

// RevokeHandOff takes a hand-off back, with everything that was passed on from it: its giver, its recipient or a person
// may. Plans asked for under it that wait are withdrawn, and their runs stop at the next step.
func (c *Control) RevokeHandOff(ctx context.Context, by writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		doc, row, err := store.Load[handOffRow](tx, store.HandOffs, string(id))
		if err == nil && !maySee(by, doc.HandOff) {
			err = writ.ErrNotFound
		}
		if err != nil {
			return notFound(err, "hand-off", string(id))
		}
		if row.State != stateOn {
			return nil
		}
		return c.dropHandOff(tx, doc.HandOff, by)
	})
	if err != nil {
		return writ.HandOffStatus{}, c.deny(ctx, "revoke hand-off", by, "", err)
	}
	return c.HandedOff(ctx, by, id)
}

// dropHandOff revokes a hand-off and its subtree, and ends what was asked for under them.
func (c *Control) dropHandOff(tx *store.Tx, h writ.HandOff, by writ.Principal) error {
	docs, rows, err := find[handOffRow](tx, store.HandOffs, store.Filter{Incident: string(h.Incident)})
	if err != nil {
		return err
	}
	gone := map[writ.HandOffID]bool{h.ID: true}
	for i, d := range docs { // a hop is made after the one before it, so one pass reaches all
		if !gone[d.HandOff.ID] && !gone[d.HandOff.Parent] {
			continue
		}
		gone[d.HandOff.ID] = true
		if rows[i].State != stateOn {
			continue
		}
		if _, err := c.append(tx, writ.EntryHandOffEnd, h.Incident, writ.HandOffEndBody{HandOff: d.HandOff.ID, By: by}, ref("handoff", d.Leaf)...); err != nil {
			return err
		}
		rows[i].State = stateOff
		if err := store.Save(tx, store.HandOffs, rows[i], stateOn, d); err != nil {
			return err
		}
	}
	why := assignment.Refused{Code: writ.ReasonHandOff, Detail: "the hand-off under which it was asked for was revoked"}
	return c.endAsks(tx, by, why, func(p planRow) bool { return p.Proposal.Incident == h.Incident && gone[p.Proposal.HandOff] })
}
