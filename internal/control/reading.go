package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/redact"
	"github.com/writ-dev/writ/internal/store"
)

// This file says who may have a reading taken, and who may read one that was taken. The one rests on the other: what an agent could
// have read now, it may read again.

// mayObserve returns the service of an open incident, and the target of a query that by may have read for it now. A target that was
// left out is filled in when the service has only one.
func (c *Control) mayObserve(tx *store.Tx, by writ.Principal, incident writ.IncidentID, q *writ.Query) (s catalogue.Service, t Target, err error) {
	if s, err = c.readable(tx, by, incident); err != nil {
		return s, t, err
	}
	if q.Target == "" && len(s.Targets()) == 1 {
		q.Target = s.Targets()[0]
	}
	if t, err = c.readTarget(s, q.Target); err != nil {
		return s, t, err
	}
	r, ok := t.Catalogue.Reader(q.Reader)
	if !ok {
		return s, t, &writ.Refusal{Code: writ.ReasonUnknownReader, Detail: fmt.Sprintf("target %s has no reader %q", q.Target, writ.Printable(string(q.Reader), 60)), Hint: "readers: " + some(readers(t.Catalogue)) + "; list_readers, or writ evidence readers, tells what each takes"}
	}
	return s, t, connector.CheckParameters(r.Parameters, q.With)
}

func readers(c connector.Catalogue) []writ.OperationName {
	var out []writ.OperationName
	for _, r := range c.Readers {
		out = append(out, r.Name)
	}
	return out
}

// Evidence returns one reading with its redacted bytes: to people, and to agents that may read it again. For others it does not
// exist, and that they asked is in the ledger.
func (c *Control) Evidence(ctx context.Context, by writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error) {
	e, b, err := c.evidence(ctx, by, id)
	if err != nil && by.Kind == writ.KindAgent {
		err = c.deny(ctx, "read again", by, "", err)
	}
	return e, b, err
}

func (c *Control) evidence(ctx context.Context, by writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error) {
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return writ.Evidence{}, nil, err
	}
	var doc evidenceRow
	var state string
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		if by.Kind == writ.KindAgent {
			if err := stopped(tx, by); err != nil { // whatever is asked for
				return err
			}
		}
		if doc, state, err = wasRead(tx, id); err == nil && state == stateRead {
			err = c.mayReadAgain(tx, by, doc.Evidence.Evidence)
		}
		return notFound(err, "evidence", string(id))
	})
	if err != nil {
		return writ.Evidence{}, nil, err
	}
	var b []byte
	if doc.Evidence.Erased.IsZero() {
		b, _, _, err = c.Store.Blob(ctx, doc.Evidence.Commitment)
	}
	if err == nil && state == stateFronted {
		err = c.Store.View(ctx, func(tx *store.Tx) error {
			return notFound(c.mayReadThroughAgain(tx, by, doc.Evidence.Evidence, b), "evidence", string(id))
		})
	}
	if err != nil {
		return writ.Evidence{}, nil, err
	}
	return doc.Evidence.whole(), b, nil
}

// wasRead loads a reading that there is: what was only asked for is none.
func wasRead(tx *store.Tx, id writ.EvidenceID) (evidenceRow, string, error) {
	doc, row, err := store.Load[evidenceRow](tx, store.Evidence, string(id))
	if err == nil && row.State != stateRead && row.State != stateFronted {
		err = writ.ErrNotFound
	}
	return doc, row.State, err
}

// mayReadAgain lets people read what a runner has read, and an agent what it asked for, what was handed to it, and what it may have
// read now. Otherwise the error is writ.ErrNotFound, for whatever reason: who may not read is not told what there is.
func (c *Control) mayReadAgain(tx *store.Tx, by writ.Principal, e writ.Evidence) error {
	if own, err := c.itsOwn(tx, by, e); err != nil || own {
		return err
	}
	q := e.Query
	_, _, err := c.mayObserve(tx, by, e.Incident, &q)
	return hidden(err)
}

// mayReadThroughAgain is mayReadAgain of what came through an upstream, whose kept bytes say what was asked.
func (c *Control) mayReadThroughAgain(tx *store.Tx, by writ.Principal, e writ.Evidence, kept []byte) error {
	if own, err := c.itsOwn(tx, by, e); err != nil || own {
		return err
	}
	name, known := e.Query.Reader.UpstreamTool()
	arguments, whole := askedArguments(kept)
	if !known || !whole {
		return writ.ErrNotFound
	}
	u, err := c.mayReach(tx, by, name)
	if err == nil {
		_, err = c.decideCall(tx, by, u, fronted{incident: e.Incident, name: name}, arguments)
	}
	return hidden(err)
}

// itsOwn reports whether a reading is by's without a question to anybody: it asked for it, or it was handed to it. A person's is all.
func (c *Control) itsOwn(tx *store.Tx, by writ.Principal, e writ.Evidence) (bool, error) {
	if by.Kind != writ.KindAgent || e.AskedBy.Same(by) {
		return true, nil
	}
	docs, rows, err := find[handOffRow](tx, store.HandOffs, store.Filter{Incident: string(e.Incident), Key: agentID(by), State: stateOn})
	for i, d := range docs {
		named := slices.ContainsFunc(d.HandOff.Evidence, func(r writ.EvidenceRef) bool { return r.ID == e.ID })
		if named && d.HandOff.To.Same(by) && c.handOffState(d, rows[i]) == writ.HandOffOpen {
			return true, nil
		}
	}
	return false, err
}

// hidden makes a refusal that there is nothing; other errors stay.
func hidden(err error) error {
	if writ.ReasonOf(err) != "" || errors.Is(err, writ.ErrInvalid) {
		return writ.ErrNotFound
	}
	return err
}

// What a kept answer of an upstream begins with, and what stands between its arguments, which are one line, and the answer.
var (
	keptArguments = []byte("arguments ")
	keptAnswer    = []byte("\n\n")
)

// askedArguments are those of a call through an upstream, out of what was kept of it; not when they are gone, or held a secret, since
// then nobody knows any more what policy was asked about.
func askedArguments(kept []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(kept, keptArguments)
	arguments, _, cut := bytes.Cut(rest, keptAnswer)
	return arguments, ok && cut && !bytes.Contains(arguments, []byte(redact.Mark))
}
