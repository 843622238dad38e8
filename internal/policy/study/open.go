package study

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
)

// An item is what a replay takes of one entry: a plan, or a decision, or nothing.
type item struct {
	kind     writ.EntryKind
	plan     planned
	record   Record // what a decision says, but for its plan
	readable bool   // its facts are
}

// A planned is what deciding again needs of a plan.
type planned struct {
	id       writ.PlanID
	playbook string
	tier     writ.Tier
}

// An opener opens one entry after the other. It keeps what comes again and again, which the records share; the zero opener
// is ready, for one goroutine.
type opener struct {
	skimmer ledger.Skimmer
	facts   policy.FactsReader
	words   canon.Recall[string]
	lists   canon.Recall[[]string]
	digests canon.Recall[writ.Digest]
	needs   canon.Recall[writ.Requirements]
}

// open reads of an entry what a replay needs. Of a plan or decision the whole record must be in canonical form.
func (o *opener) open(e ledger.Skimmed, x *item) error {
	*x = item{kind: e.Kind}
	if e.Kind != writ.EntryPlan && e.Kind != writ.EntryDecision {
		return nil
	}
	body, err := e.Whole()
	switch {
	case err != nil:
		return err
	case e.Kind == writ.EntryPlan:
		return o.plan(body, &x.plan)
	}
	x.record.At = e.Time
	x.readable, err = o.decision(body, &x.record)
	return err
}

// plan reads the members that are needed, and refuses one that a plan has not.
func (o *opener) plan(body canon.Value, p *planned) error {
	return eachMember(body, func(name []byte, v canon.Value) error {
		switch string(name) {
		case "plan":
			return id(v.Bytes(), &p.id)
		case "tier":
			return json.Unmarshal(v.Bytes(), &p.tier)
		case "playbook":
			return eachMember(v, func(name []byte, v canon.Value) error {
				switch string(name) {
				case "name":
					return word(o, v.Bytes(), &p.playbook)
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

// decision reads a decision into r, as far as it has what the record is made of. It reports whether its facts can be read.
func (o *opener) decision(body canon.Value, r *Record) (readable bool, err error) {
	err = eachMember(body, func(name []byte, v canon.Value) (err error) {
		switch value := v.Bytes(); string(name) {
		case "decision":
			return id(value, &r.Decision)
		case "plan":
			return id(value, &r.Plan)
		case "phase":
			return word(o, value, &r.Phase)
		case "step":
			return word(o, value, &r.Step)
		case "verdict":
			return word(o, value, &r.Answer.Verdict)
		case "reason":
			return word(o, value, &r.Answer.Reason)
		case "playbook":
			return word(o, value, &r.Request.Playbook)
		case "policies":
			r.Answer.Policies, err = o.lists.Get(value, texts)
		case "operations":
			r.Request.Operations, err = o.lists.Get(value, texts)
		case "requirements":
			r.Answer.Requirements, err = o.needs.Get(value, requirements)
		case "facts":
			readable = o.facts.ReadValue(v, &r.Request.Facts) || o.facts.Read(value, &r.Request.Facts) == nil
		case "policy":
			r.Answer.Policy, err = o.digests.Get(value, digest)
		case "observed":
			return json.Unmarshal(value, &r.Answer.Observed)
		case "plan_digest", "engine", "duties":
		default:
			return unknown(name)
		}
		return err
	})
	return readable, err
}

// eachMember calls fn for each member of an object, and refuses what is none.
func eachMember(v canon.Value, fn func(name []byte, v canon.Value) error) error {
	if !v.IsObject() {
		return fmt.Errorf("%w: an object is wanted", writ.ErrInvalid)
	}
	for name, value := range v.Members() {
		if err := fn(name, value); err != nil {
			return err
		}
	}
	return nil
}

func unknown(name []byte) error {
	return fmt.Errorf("%w: unknown member %q", writ.ErrInvalid, writ.Printable(string(name), 40))
}

func noText() error { return fmt.Errorf("%w: text is wanted", writ.ErrInvalid) }

// inside is a string without its quotes, and whether it stands there as it is: the record that it is in was checked.
func inside(value []byte) (text []byte, plain bool, err error) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false, noText()
	}
	return value[1 : len(value)-1], bytes.IndexByte(value, '\\') < 0, nil
}

// id reads a name that is closed.
func id(value []byte, into encoding.TextUnmarshaler) error {
	text, plain, err := inside(value)
	switch {
	case err != nil:
		return err
	case !plain:
		return json.Unmarshal(value, into)
	}
	return into.UnmarshalText(text)
}

// word reads a string of those that come again and again.
func word[T ~string](o *opener, value []byte, into *T) error {
	text, plain, err := inside(value)
	switch {
	case err != nil:
		return err
	case !plain:
		return json.Unmarshal(value, into)
	}
	*into = T(canon.Word(&o.words, text))
	return nil
}

func texts(value []byte) ([]string, error) {
	var out []string
	err := canon.Elements(value, func(value []byte) error {
		text, plain, err := inside(value)
		s := string(text)
		if err == nil && !plain {
			err = json.Unmarshal(value, &s)
		}
		out = append(out, s)
		return err
	})
	return slices.Clip(out), err
}

func digest(value []byte) (d writ.Digest, err error) {
	text, _, err := inside(value)
	if err != nil {
		return d, err
	}
	return d, d.UnmarshalText(text)
}

func requirements(value []byte) (r writ.Requirements, err error) { return r, canon.Parse(value, &r) }
