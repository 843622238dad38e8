package study

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
)

// FromBundle reads the decisions of a ledger bundle, in its order. It takes the bundle as it is: package verify judges
// it. Errors wrap writ.ErrInvalid.
func FromBundle(b ledger.Bundle) (Records, error) {
	return read(len(b.Entries), nil, func(i int) (int64, []byte, error) { return b.Entries[i].Index, b.Entries[i].Leaf, nil })
}

// FromFile is FromBundle for a bundle's text, of which it decodes only what is needed to decide again: each entry is
// looked at for what it is, and plans and decisions are checked and read. Progress, if it is not nil, is told now and then
// how many of how many entries were read; from one goroutine at a time.
func FromFile(raw []byte, progress func(done, of int)) (Records, error) {
	leaves, err := ledger.Leaves(raw)
	if err != nil {
		return Records{}, err
	}
	return read(len(leaves), progress, func(i int) (int64, []byte, error) {
		b, err := leaves[i].Bytes()
		return leaves[i].Index, b, err
	})
}

// An item is what a replay takes of one entry: a decision, or a plan, or nothing.
type item struct {
	at       time.Time
	decision *writ.DecisionBody
	plan     *planned
	record   Record
	readable bool // record is what the decision says, but for its plan
}

// A planned is what deciding again needs of a plan.
type planned struct {
	id       writ.PlanID
	playbook string
	tier     writ.Tier
}

// readAhead is how many entries are opened at once before their records are put together: it bounds memory.
const readAhead = 64 * chunk

// read opens n entries, several at once, and puts the records together in their order. The error is that of the first
// entry that cannot be read.
func read(n int, progress func(done, of int), leaf func(i int) (index int64, b []byte, err error)) (Records, error) {
	var out Records
	plans := map[writ.PlanID]*planned{}
	items, errs := make([]item, min(n, readAhead)), make([]error, min(n, readAhead))
	for from := 0; from < n; from += readAhead {
		part := min(readAhead, n-from)
		each(part, runtime.GOMAXPROCS(0), func(i int) {
			index, b, err := leaf(from + i)
			if err == nil {
				items[i], err = open(b)
			}
			if errs[i] = err; err != nil {
				errs[i] = fmt.Errorf("%w: entry %d: %w", writ.ErrInvalid, index, err)
			}
		})
		for i := range part {
			if errs[i] != nil {
				return Records{}, errs[i]
			}
			if p := items[i].plan; p != nil {
				plans[p.id] = p
			}
			if d := items[i].decision; d != nil {
				if len(out.All) == maxRecords {
					return Records{}, fmt.Errorf("%w: more than %d decisions: simulate a part of the ledger", writ.ErrInvalid, maxRecords)
				}
				out.add(items[i], plans[d.Plan])
			}
		}
		if progress != nil {
			progress(from+part, n)
		}
	}
	return out, nil
}

// add adds the record of a decision. The facts hold the tier after the raises of the set that decided; the plan's own tier is
// below it or the same, and is what the next set must raise by itself.
func (r *Records) add(x item, plan *planned) {
	if plan == nil || !x.readable {
		r.Skipped++
		return
	}
	if plan.tier.Valid() {
		x.record.Request.Facts.Tier = min(x.record.Request.Facts.Tier, int(plan.tier))
	}
	if x.record.Request.Playbook == "" && len(x.record.Request.Operations) == 0 {
		x.record.Request.Playbook, x.record.Alone = plan.playbook, true
	}
	r.All = append(r.All, x.record)
}

// open reads of an entry what a replay needs. Of a plan or decision the whole record must be in canonical form.
func open(leaf []byte) (item, error) {
	e, err := ledger.Skim(leaf)
	if err != nil || e.Kind != writ.EntryPlan && e.Kind != writ.EntryDecision {
		return item{}, err
	}
	if err := e.Whole(); err != nil {
		return item{}, err
	}
	x := item{at: e.Time}
	if e.Kind == writ.EntryPlan {
		x.plan, err = openPlan(e.Body)
		return x, err
	}
	if x.decision, err = openDecision(e.Body); err == nil {
		x.record, x.readable = record(*x.decision, e.Time)
	}
	return x, err
}

// openPlan reads the members that are needed, and refuses one that a plan has not.
func openPlan(body []byte) (*planned, error) {
	p := new(planned)
	return p, canon.Members(body, func(name, value []byte) error {
		switch string(name) {
		case "plan":
			return text(value, &p.id)
		case "tier":
			return json.Unmarshal(value, &p.tier)
		case "playbook":
			return canon.Members(value, func(name, value []byte) error {
				switch string(name) {
				case "name":
					return text(value, &p.playbook)
				case "version", "digest":
					return nil
				}
				return unknown(name)
			})
		case "plan_digest", "proposal_digest", "requester", "runner", "objects", "blast", "policy", "evidence_digest", "holder", "not_after":
			return nil
		}
		return unknown(name)
	})
}

func openDecision(body []byte) (*writ.DecisionBody, error) {
	d := new(writ.DecisionBody)
	return d, canon.Members(body, func(name, value []byte) error {
		switch string(name) {
		case "decision":
			return text(value, &d.Decision)
		case "plan":
			return text(value, &d.Plan)
		case "phase":
			return text(value, &d.Phase)
		case "step":
			return text(value, &d.Step)
		case "verdict":
			return text(value, &d.Verdict)
		case "reason":
			return text(value, &d.Reason)
		case "playbook":
			return text(value, &d.Playbook)
		case "policies":
			return list(value, &d.Policies)
		case "operations":
			return list(value, &d.Operations)
		case "requirements":
			return canon.Parse(value, &d.Requirements)
		case "facts":
			d.Facts = value
			return nil
		case "policy":
			return digest(value, &d.Policy)
		case "observed":
			return json.Unmarshal(value, &d.Observed)
		case "plan_digest", "engine", "duties":
			return nil
		}
		return unknown(name)
	})
}

func unknown(name []byte) error {
	return fmt.Errorf("%w: unknown member %q", writ.ErrInvalid, writ.Printable(string(name), 40))
}

// text reads a string, and one without escapes as it stands: the record that it is in was checked.
func text[T ~string](value []byte, into *T) error {
	if len(value) < 2 || value[0] != '"' {
		return fmt.Errorf("%w: text is wanted", writ.ErrInvalid)
	}
	if bytes.IndexByte(value, '\\') >= 0 {
		return json.Unmarshal(value, into)
	}
	if u, closed := any(into).(encoding.TextUnmarshaler); closed {
		return u.UnmarshalText(value[1 : len(value)-1])
	}
	*into = T(value[1 : len(value)-1])
	return nil
}

func digest(value []byte, into *writ.Digest) error {
	if len(value) < 2 || value[0] != '"' {
		return fmt.Errorf("%w: text is wanted", writ.ErrInvalid)
	}
	return into.UnmarshalText(value[1 : len(value)-1])
}

func list(value []byte, into *[]string) error {
	return canon.Elements(value, func(value []byte) error {
		var s string
		err := text(value, &s)
		*into = append(*into, s)
		return err
	})
}
