package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// Limits of evidence.
const (
	maxEvidenceBytes    = 64 << 10 // what a person can skim and an agent can take in
	maxEvidencePerCase  = 500      // readings per incident: a loop of an agent, not a diagnosis
	observeLife         = MaxWait
	observeRetry        = 10 * time.Second // a reading handed out and not answered is handed out again
	blobEvidence        = writ.EvidenceBlob
	blobClaim           = "claim"
	blobReason          = "reason"
	classEvidence       = "evidence"
	classClaim          = "claim"
	classText           = "text"
	maxBecause          = 4000 // characters of a claim or reason: one screen
	maxEvidenceCitation = 50
)

// Observe asks the target's runner for one reading and waits for it, at most MaxWait. What the agent passes is a
// reader's name and typed parameters; the bytes come from the runner alone.
func (c *Control) Observe(ctx context.Context, by writ.Principal, incident writ.IncidentID, reader writ.OperationName, at writ.Location, with writ.Parameters) (writ.Evidence, []byte, error) {
	ev, err := c.ask(ctx, by, incident, reader, at, with)
	if err != nil {
		return writ.Evidence{}, nil, c.deny(ctx, "observe", by, "", err)
	}
	var out evidenceRow
	var state string
	err = c.awaitIn(ctx, incident, MaxWait, func() (bool, error) {
		err := c.Store.View(ctx, func(tx *store.Tx) error {
			doc, row, err := store.Load[evidenceRow](tx, store.Evidence, string(ev.ID))
			out, state = doc, row.State
			return err
		})
		return state != stateAsked, err
	})
	switch {
	case err != nil:
		return writ.Evidence{}, nil, err
	case state == stateRead:
		b, _, _, err := c.Store.Blob(ctx, out.Evidence.Commitment)
		return out.Evidence.whole(), b, err
	case state == stateRefused:
		return writ.Evidence{}, nil, &writ.Refusal{Code: out.Refused.Code, Detail: out.Refused.Detail, Hint: out.Refused.Hint}
	}
	return writ.Evidence{}, nil, &writ.Refusal{
		Code: writ.ReasonUnavailable, Kind: writ.ErrUnavailable,
		Detail: fmt.Sprintf("no answer from the runner of %s within %d seconds", ev.Query.Target, int(MaxWait.Seconds())),
		Hint:   "ask again later; nothing was changed",
	}
}

// ask checks the query and writes the assignment.
func (c *Control) ask(ctx context.Context, by writ.Principal, incident writ.IncidentID, reader writ.OperationName, at writ.Location, with writ.Parameters) (writ.Evidence, error) {
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return writ.Evidence{}, err
	}
	id, err := newID[writ.EvidenceID](c, "ev")
	if err != nil {
		return writ.Evidence{}, err
	}
	aid, err := newID[writ.AssignmentID](c, "asg")
	if err != nil {
		return writ.Evidence{}, err
	}
	var ev writ.Evidence
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		q := writ.Query{Reader: reader, Target: at, With: with}
		service, target, err := c.mayObserve(tx, by, incident, &q)
		if err != nil {
			return err
		}
		if err := roomForReading(tx, incident); err != nil {
			return err
		}
		ev = writ.Evidence{ID: id, Incident: incident, AskedBy: by, Reader: target.Runner, Query: q}
		if err := store.Create(tx, store.Evidence, store.Row{ID: string(id), Incident: string(incident), State: stateAsked}, evidenceRow{Evidence: evidenceDoc{Evidence: ev}}); err != nil {
			return err
		}
		return c.assign(tx, target.Runner, incident, assignmentRow{
			ID: aid, Kind: assignment.KindObserve, Expires: c.now().Add(observeLife),
			Observe: &assignment.Observe{Evidence: id, Incident: incident, Query: q, Scope: service.Locations, Limit: maxEvidenceBytes},
		})
	})
	return ev, err
}

// observed takes a runner's reading.
func (c *Control) observed(ctx context.Context, runner writ.RunnerID, a assignmentRow, ans assignment.Answer) error {
	var blob store.Sealed
	o := ans.Observed
	if o != nil {
		if len(o.Bytes) > maxEvidenceBytes {
			return fmt.Errorf("%w: a reading of %d bytes; the limit is %d", writ.ErrInvalid, len(o.Bytes), maxEvidenceBytes)
		}
		var err error
		if blob, err = c.Store.SealBlob(ctx, blobEvidence, classEvidence, o.Bytes); err != nil {
			return err
		}
	}
	defer c.watch.tell(a.Observe.Incident) // a refusal has no entry that would
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		doc, ev, err := store.Load[evidenceRow](tx, store.Evidence, string(a.Observe.Evidence))
		if err != nil {
			return err
		}
		if err := c.close(tx, a.ID); err != nil {
			return err
		}
		if ev.State != stateAsked {
			return nil // an answer given twice
		}
		ev.State = stateRefused
		if o != nil {
			if err := tx.PutBlob(blob); err != nil { // an entry without it would be a gap
				return err
			}
			ev.State = stateRead
			e, commit := &doc.Evidence, blob.Commitment
			e.Source, e.At, e.Commitment, e.Size = writ.Printable(o.Source, 300), writ.Instant(o.At), commit, len(o.Bytes)
			if now := c.now(); e.At.After(now) { // a runner's clock that runs ahead would keep a reading fresh
				e.At = now
			}
			e.Truncated, e.Redacted, e.Facts = o.Truncated, o.Redacted, o.Facts
			e.Writable = o.Writable || c.writable(e.Query)
			e.KeptUntil = e.At.Add(c.retention())
			ev.Due = millis(e.KeptUntil)
			if r := c.reader(e.Query); e.Writable && r.Writable {
				e.Fields = r.Fields
			}
			body := writ.EvidenceBody{
				Evidence: e.ID, AskedBy: e.AskedBy, Runner: runner, Reader: e.Query.Reader, Target: e.Query.Target,
				At: e.At, Commitment: commit, Size: e.Size, Writable: e.Writable, Redacted: e.Redacted,
			}
			at, err := c.append(tx, writ.EntryEvidence, e.Incident, body)
			if err != nil {
				return err
			}
			doc.Leaf = at.hash
		} else if ans.Refused == nil {
			return fmt.Errorf("%w: an answer without a reading or a refusal", writ.ErrInvalid)
		} else {
			doc.Refused = printable(*ans.Refused)
		}
		return store.Save(tx, store.Evidence, ev, stateAsked, doc)
	})
}

// printable bounds what a runner can put into a refusal, which agents and people read.
func printable(r assignment.Refused) *assignment.Refused {
	return &assignment.Refused{
		Code: writ.Reason(writ.Printable(string(r.Code), 40)), Detail: writ.Printable(r.Detail, 400), Hint: writ.Printable(r.Hint, 400),
	}
}

// writable is the control plane's own view of the catalogue: a runner cannot declare a log trustworthy.
func (c *Control) writable(q writ.Query) bool {
	return c.reader(q).Writable
}

// roomForReading refuses one more reading of an incident that has as many as it may have. That does not pass.
func roomForReading(tx *store.Tx, incident writ.IncidentID) error {
	room, err := tx.Fewer(store.Evidence, store.Filter{Incident: string(incident)}, maxEvidencePerCase)
	if err == nil && !room {
		err = &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("this incident has %d readings already; that is the limit", maxEvidencePerCase), Hint: "go on with what was read; a person has to look", Kind: writ.ErrConflict}
	}
	return err
}

// some joins the first of many, as many as fit a hint.
func some[T ~string](in []T) string {
	const most = 5
	if len(in) <= most {
		return join(in)
	}
	return join(in[:most]) + ", …"
}

func join[T ~string](in []T) string {
	var out []string
	for _, s := range in {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

// deny records a refused request in the ledger and returns the refusal. Errors that are no refusals pass through, and
// an unreachable ledger changes nothing about the refusal. "Not now" and "no more" are recorded once for a while, however
// often they are said.
func (c *Control) deny(ctx context.Context, what string, by writ.Principal, plan writ.PlanID, err error) error {
	code := writ.ReasonOf(err)
	if code == "" || !by.Valid() || errors.Is(err, writ.ErrUnavailable) {
		return err // a part of Writ is not there, the ledger perhaps
	}
	if errors.Is(err, writ.ErrBusy) || errors.Is(err, writ.ErrConflict) && code == writ.ReasonTooLarge {
		c.notNow(ctx, what, by, code)
		return err
	}
	c.Denied(ctx, what, by, code, plan)
	return err
}

// Denied records a request that a door refused.
func (c *Control) Denied(ctx context.Context, what string, by writ.Principal, code writ.Reason, plan writ.PlanID) {
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		var task writ.IncidentID
		if plan != "" {
			if p, _, err := store.Load[planRow](tx, store.Plans, string(plan)); err == nil {
				task = p.Proposal.Incident
			}
		}
		e, err := c.append(tx, writ.EntryDeny, task, writ.DenyBody{What: what, By: by, Reason: code, Plan: plan})
		if err != nil {
			return err
		}
		return c.turnedDown(tx, by, code, e.hash)
	})
	if err != nil {
		c.Log.Error("a refusal could not be recorded", "what", what, "code", code, "error", err)
	}
}
