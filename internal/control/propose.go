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
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/store"
)

const (
	planningLife  = 60 * time.Second // a runner that has not resolved a plan by then is not there
	planningRetry = 15 * time.Second
)

// Propose takes one ask: a playbook with parameters for an open incident, citing evidence. It answers with the plan's
// id while the runner resolves it. The same ask by the same requester, while its plan is open, is the same plan.
func (c *Control) Propose(ctx context.Context, by writ.Principal, ask writ.Ask) (writ.PlanStatus, error) {
	id, err := c.propose(ctx, by, ask)
	if err != nil {
		return writ.PlanStatus{}, c.deny(ctx, "propose", by, "", err)
	}
	return c.Plan(ctx, by, id, 0)
}

func (c *Control) propose(ctx context.Context, by writ.Principal, ask writ.Ask) (writ.PlanID, error) {
	if _, err := c.asker(ctx, by, writ.RoleRepair); err != nil {
		return "", err
	}
	if utf8.RuneCountInString(ask.Because) > maxBecause {
		return "", &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("because has more than %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	if len(ask.Evidence) > maxEvidenceCitation {
		return "", &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("more than %d pieces of evidence", maxEvidenceCitation), Kind: writ.ErrInvalid}
	}
	if err := mayHold(by, ask.Holder); err != nil {
		return "", err
	}
	pb, err := c.Library.Find(ask.Playbook)
	if err != nil {
		return "", err
	}
	if pb.Playbook.Emergency {
		return "", &writ.Refusal{
			Code: writ.ReasonBreakGlass, Kind: writ.ErrDenied, Detail: fmt.Sprintf("playbook %s is for break-glass alone", pb.Playbook.Name),
			Hint: "people ask for it, with a signed proof: writ breakglass open; an agent may say so in a claim",
		}
	}
	if _, err := pb.Playbook.Bind(ask.Parameters); err != nil {
		return "", err
	}
	same, err := sameAsk(by, ask, pb.Ref())
	if err != nil {
		return "", err
	}
	var id writ.PlanID
	err = c.Store.View(ctx, func(tx *store.Tx) error { // a storm of repeats writes nothing, not even their claims
		if err := c.mayAsk(tx, by, ask, pb); err != nil {
			return err
		}
		if _, _, err := c.under(tx, by, ask); err != nil {
			return err
		}
		_, id, err = c.openSame(tx, by, ask, same)
		return err
	})
	if err != nil || id != "" {
		return id, err
	}
	var claim writ.Commitment
	if ask.Because != "" {
		if claim, err = c.Store.PutBlob(ctx, blobClaim, classClaim, []byte(ask.Because)); err != nil {
			return "", err
		}
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := c.mayAsk(tx, by, ask, pb); err != nil {
			return err
		}
		in, found, err := c.openSame(tx, by, ask, same)
		if id = found; err != nil || id != "" {
			return err
		}
		id, err = c.openPlan(tx, by, ask, in, pb, same, claim, nil)
		return err
	})
	return id, err
}

// mayAsk refuses at once what a freeze covers, before a runner looks at anything. What is frozen later is refused when
// it is decided (I18). It also refuses an agent that was suspended or removed a moment ago, and playbooks of a class that
// is not its own.
func (c *Control) mayAsk(tx *store.Tx, by writ.Principal, ask writ.Ask, pb Published) error {
	if err := c.mayClass(tx, by, pb.Playbook); err != nil {
		return err
	}
	p := writ.Plan{Requester: by, Playbook: pb.Ref()}
	if in, err := openIncident(tx, ask.Incident); err == nil {
		p.Service = in.Service
		if service, err := c.Services.Find(in.Service); err == nil {
			if t, err := c.targetFor(service, pb.Playbook); err == nil {
				p.Target = t.Location
			}
		}
	} // what is not there is refused for what it is, unless its asker is frozen
	stop, err := frozen(tx, p)
	if err == nil && stop {
		err = &writ.Refusal{Code: writ.ReasonFrozen, Kind: writ.ErrFrozen, Detail: "a person has frozen this", Hint: "a person can lift it: writ unfreeze"}
	}
	return err
}

// openSame returns the incident, and the plan of the same ask if there is one that is not final (invariant I19). It
// refuses what would be one prompt too many, and what was run too often or is running.
func (c *Control) openSame(tx *store.Tx, by writ.Principal, ask writ.Ask, same string) (writ.Incident, writ.PlanID, error) {
	in, err := openIncident(tx, ask.Incident)
	if err != nil {
		return in, "", err
	}
	rows, err := tx.Find(store.Plans, store.Filter{Key: same, Newest: true, Limit: 1})
	if err != nil {
		return in, "", err
	}
	for _, row := range rows {
		if slices.Contains(moving, writ.PlanState(row.State)) {
			return in, writ.PlanID(row.ID), nil
		}
	}
	repair, err := repairOf(in.Service, ask.Playbook, ask.Parameters)
	if err != nil {
		return in, "", err
	}
	if err := underWay(tx, repair); err != nil {
		return in, "", err
	}
	if r, err := c.tooOften(tx, ask.Playbook, repair); err != nil {
		return in, "", err
	} else if r != nil {
		return in, "", r
	}
	return in, "", c.crowded(tx, by, in.Service, repair)
}

// askIDs makes the ids that an ask needs: of the proposal, of its plan and of the runner's work on it.
func (c *Control) askIDs() (writ.ProposalID, writ.PlanID, writ.AssignmentID, error) {
	prp, err := newID[writ.ProposalID](c, "prp")
	pln, errP := newID[writ.PlanID](c, "pln")
	aid, errA := newID[writ.AssignmentID](c, "asg")
	return prp, pln, aid, errors.Join(err, errP, errA)
}

// openPlan writes the proposal's entry, the plan row and the runner's assignment. flag is nil but for break-glass.
func (c *Control) openPlan(tx *store.Tx, by writ.Principal, ask writ.Ask, in writ.Incident, pb Published, key string, claim writ.Commitment, flag *flagged) (writ.PlanID, error) {
	if err := offered(tx, pb); err != nil {
		return "", err
	}
	service, err := c.Services.Find(in.Service)
	if err != nil {
		return "", err
	}
	target, err := c.targetFor(service, pb.Playbook)
	if err != nil {
		return "", err
	}
	refs, cited, err := c.citations(tx, by, ask, pb.Playbook.Evidence)
	if err != nil {
		return "", err
	}
	if err := c.shown(tx, ask, pb.Playbook); err != nil {
		return "", err
	}
	hop, passed, err := c.under(tx, by, ask)
	if err != nil {
		return "", err
	}
	prp, id, aid, err := c.askIDs()
	if err != nil {
		return "", err
	}
	at := c.now()
	until := at.Add(c.PlanLife)
	var glass writ.BreakGlassID
	var emergency *writ.Emergency
	if flag != nil {
		leaf, err := flag.enter(id)
		if err != nil {
			return "", err
		}
		glass, emergency, passed = flag.ID, &flag.Emergency, append(passed, ref("breakglass", leaf)...)
		if flag.until.Before(until) {
			until = flag.until
		}
	}
	p := writ.Proposal{
		V: writ.FormatVersion, ID: prp, Incident: in.ID, By: by, Playbook: pb.Ref(), Parameters: ask.Parameters,
		Evidence: refs, Claim: claim, HandOff: ask.HandOff, Lineage: hop.Lineage, Emergency: emergency, Holder: ask.Holder, DryRun: ask.DryRun, At: at,
	}
	b, err := canon.Marshal(p)
	if err != nil {
		return "", err
	}
	e, err := c.append(tx, writ.EntryProposal, in.ID, writ.ProposalBody{
		Proposal: writ.DigestOf(b), ID: prp, Plan: id, By: by, Playbook: p.Playbook, Evidence: refs, HandOff: p.HandOff, BreakGlass: glass, Holder: p.Holder, DryRun: p.DryRun,
	}, append(cited, passed...)...)
	if err != nil {
		return "", err
	}
	if err := c.proposed(tx, by, e.hash); err != nil {
		return "", err
	}
	row := planRow{
		ID: id, Proposal: p, ProposalBytes: b, ProposalLeaf: e.hash, Service: service.Name, Environment: service.Environment,
		Owner: service.Owner, Target: target.Location, Runner: target.Runner, CreatedAt: at, ExpiresAt: at.Add(planningLife),
		Window: writ.Window{NotBefore: at, NotAfter: until},
	}
	if err := store.Create(tx, store.Plans, store.Row{
		ID: string(id), Incident: string(in.ID), State: string(writ.PlanPlanning), Key: key, Due: millis(row.ExpiresAt),
	}, row); err != nil {
		return "", err
	}
	repair, err := repairOf(service.Name, ask.Playbook, ask.Parameters)
	if err != nil {
		return "", err
	}
	if ask.DryRun { // it asks nobody, so it takes nobody's place
		err = c.mayTry(tx, by)
	} else {
		err = store.Create(tx, store.Slots, store.Row{ID: string(id), Incident: string(in.ID), Key: service.Name}, slotRow{
			Plan: id, By: by, Repair: repair, Playbook: ask.Playbook,
		})
	}
	if err != nil {
		return "", err
	}
	return id, c.assign(tx, target.Runner, in.ID, assignmentRow{
		ID: aid, Kind: assignment.KindPlan, Expires: row.ExpiresAt,
		Plan: &assignment.Planning{
			Plan: id, Proposal: b, ProposalLeaf: e.hash, Playbook: pb.Source, Target: target.Location, Service: service.Name,
			Environment: service.Environment, Scope: service.Locations, Policy: c.inForce().Bundle.Digest(), Window: row.Window, Holder: c.holderOf(row),
		},
	})
}

// citations checks that the evidence exists for by, who may read it, belongs to the incident, and includes what the playbook wants
// observed.
func (c *Control) citations(tx *store.Tx, by writ.Principal, ask writ.Ask, wanted []writ.OperationName) ([]writ.EvidenceRef, []writ.Ref, error) {
	var refs []writ.EvidenceRef
	missing := slices.Clone(wanted)
	var leaves []writ.Ref
	seen := map[writ.EvidenceID]bool{}
	for _, id := range ask.Evidence {
		doc, row, err := store.Load[evidenceRow](tx, store.Evidence, string(id))
		if err == nil && row.State == stateRead {
			err = c.mayReadAgain(tx, by, doc.Evidence.Evidence)
		}
		if err != nil && !errors.Is(err, writ.ErrNotFound) {
			return nil, nil, err
		}
		if err != nil || row.State != stateRead || doc.Evidence.Incident != ask.Incident || seen[id] {
			return nil, nil, writ.Refuse(writ.ReasonUnknownEvidence, fmt.Sprintf("evidence %s was not read for this incident, or is cited twice", writ.Printable(string(id), 40)))
		}
		seen[id] = true
		refs = append(refs, writ.EvidenceRef{ID: id, Commitment: doc.Evidence.Commitment, At: doc.Evidence.At})
		leaves = append(leaves, writ.Ref{Rel: "evidence", Leaf: doc.Leaf})
		missing = slices.DeleteFunc(missing, func(r writ.OperationName) bool { return r == doc.Evidence.Query.Reader })
	}
	if len(missing) > 0 {
		return nil, nil, &writ.Refusal{
			Code: writ.ReasonUnknownEvidence, Detail: fmt.Sprintf("playbook %s wants evidence by %s", ask.Playbook, join(wanted)),
			Hint: "read it for this incident first, and cite its id",
		}
	}
	return refs, leaves, nil
}

// targetFor picks the service's one target of the playbook's plane.
func (c *Control) targetFor(s catalogue.Service, pb playbook.Playbook) (Target, error) {
	var found []Target
	for _, l := range s.Targets() {
		if t, ok := c.target(l); ok && l.Plane() == pb.Plane {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return Target{}, writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("service %s has %d targets of plane %s; the playbook needs exactly one", s.Name, len(found), pb.Plane))
	}
	return found[0], nil
}

// sameAsk is the key under which identical asks collapse.
func sameAsk(by writ.Principal, ask writ.Ask, pb writ.PlaybookRef) (string, error) {
	b, err := canon.Marshal(struct {
		By         writ.Principal   `json:"by"`
		Incident   writ.IncidentID  `json:"incident"`
		Playbook   writ.PlaybookRef `json:"playbook"`
		Parameters writ.Parameters  `json:"parameters,omitempty"`
		Holder     string           `json:"holder,omitempty"`
		DryRun     bool             `json:"dry_run,omitempty"`
	}{by, ask.Incident, pb, ask.Parameters, ask.Holder, ask.DryRun})
	if err != nil {
		return "", err
	}
	return writ.DigestOf(b).String(), nil
}
