package authzen

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// An object is a JSON object whose members were not looked at yet. Members nobody asks for are ignored.
type object map[string]json.RawMessage

// parseObject takes one JSON object that all readers agree on: encoding/json alone would take the last of two members of
// one name, where another reader on the way took the first.
func parseObject(b []byte) (object, error) {
	if err := canon.Check(b); err != nil {
		return nil, form("the body must be one JSON object without a member twice")
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil || o == nil {
		return nil, form("the body must be one JSON object")
	}
	return o, nil
}

// object returns a member that is an object, nil when it is not there.
func (o object) object(name string) (object, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	var out object
	if err := json.Unmarshal(raw, &out); err != nil || out == nil {
		return nil, form(name + " must be an object")
	}
	return out, nil
}

// text returns a member that is a string, empty when it is not there and need not be.
func (o object) text(in, name string, required bool) (string, error) {
	raw, ok := o[name]
	if !ok && !required {
		return "", nil
	}
	var s *string
	if !ok || json.Unmarshal(raw, &s) != nil || s == nil || *s == "" {
		return "", form(fmt.Sprintf("%s.%s must be a string that is not empty", in, name))
	}
	return *s, nil
}

// Types of subjects and of the resource.
const (
	typeAgent   = "agent"
	typePerson  = "person"
	typeService = "service"
)

// parts of a question; the one that a search looks for may lack its id.
const (
	partSubject  = "subject"
	partAction   = "action"
	partResource = "resource"
)

// terms are the names of the kinds of things that can be asked about. They are ownTerms, but in the test of the published
// scenario.
type terms struct {
	subjects map[string]writ.Kind
	resource string
	issuer   string // of all subjects; empty: their ids name it, as issuer|sub

	// heard is told of each question what else stands in its parts. Nil but in that test: for Writ properties are nothing.
	heard func(ctx context.Context, subject, action, resource object) context.Context
}

var ownTerms = terms{subjects: map[string]writ.Kind{typeAgent: writ.KindAgent, typePerson: writ.KindHuman}, resource: typeService}

// part returns one part of a question. The item's stands for all of the default's, but for type and id: what it does not say
// of those the default says.
func part(in, defaults object, name string) (object, error) {
	if _, ok := in[name]; !ok {
		return defaults.object(name)
	}
	out, err := in.object(name)
	if err != nil || name == "context" {
		return out, err
	}
	base, err := defaults.object(name)
	if err != nil {
		return nil, err
	}
	for _, member := range []string{"type", "id"} {
		if raw, ok := base[member]; ok && out[member] == nil {
			out[member] = raw
		}
	}
	return out, nil
}

// question reads a request. Members of the defaults stand in for those that are missing. For the part that is searched
// for, only the type is read. What it returns as context is for the evaluator.
func (t terms) question(ctx context.Context, in, defaults object, searched string) (context.Context, writ.AccessQuestion, error) {
	var q writ.AccessQuestion
	get := func(name string, required bool) (object, error) {
		o, err := part(in, defaults, name)
		if err == nil && o == nil && required {
			err = form(name + " is missing")
		}
		return o, err
	}
	subject, err := get(partSubject, true)
	if err != nil {
		return ctx, q, err
	}
	action, err := get(partAction, searched != partAction)
	if err != nil {
		return ctx, q, err
	}
	resource, err := get(partResource, true)
	if err != nil {
		return ctx, q, err
	}
	if searched != partAction {
		if q.Action, err = action.text(partAction, "name", true); err != nil {
			return ctx, q, err
		}
	}
	kind, err := resource.text(partResource, "type", true)
	if err != nil {
		return ctx, q, err
	}
	if q.Service, err = resource.text(partResource, "id", searched != partResource); err != nil {
		return ctx, q, err
	}
	if q.Subject, err = t.principal(subject, searched != partSubject); err != nil {
		return ctx, q, err
	}
	if kind != t.resource {
		return ctx, q, &unknown{writ.ReasonUnknownService, "resource.type must be " + t.resource}
	}
	about, err := get("context", false)
	if err != nil {
		return ctx, q, err
	}
	if t.heard != nil {
		ctx = t.heard(ctx, subject, action, resource)
	}
	return ctx, q, names(&q, about)
}

// names reads what the context names. Everything else in it is ignored: facts are Writ's own.
func names(q *writ.AccessQuestion, about object) error {
	incident, err := about.text("context", "incident", false)
	if err != nil {
		return err
	}
	if incident != "" {
		if q.Incident, err = writ.ParseIncidentID(incident); err != nil {
			return form("context.incident must be the id of an incident")
		}
	}
	plan, err := about.text("context", "plan", false)
	if err != nil {
		return err
	}
	if plan != "" {
		if q.Plan, err = writ.ParsePlanID(plan); err != nil {
			return form("context.plan must be the id of a plan")
		}
	}
	if q.Playbook, err = about.text("context", "playbook", false); err != nil {
		return err
	}
	approval, err := about.object("approval")
	if err != nil || approval == nil {
		return err
	}
	id, err := approval.text("context.approval", "id", true)
	if err != nil {
		return err
	}
	if q.Plan, err = writ.ParsePlanID(id); err != nil {
		return form("context.approval.id must be that of an approved request")
	}
	return nil
}

// principal reads a subject: its id is issuer|sub, since the same sub of two issuers is two subjects.
func (t terms) principal(o object, whole bool) (writ.Principal, error) {
	kind, err := o.text(partSubject, "type", true)
	if err != nil {
		return writ.Principal{}, err
	}
	id, err := o.text(partSubject, "id", whole)
	if err != nil {
		return writ.Principal{}, err
	}
	p := writ.Principal{Kind: t.subjects[kind], Iss: t.issuer, Sub: id}
	if p.Kind == "" {
		return p, &unknown{writ.ReasonKind, "subject.type must be " + strings.Join(slices.Sorted(maps.Keys(t.subjects)), " or ")}
	}
	if !whole {
		return writ.Principal{Kind: p.Kind}, nil
	}
	if t.issuer == "" {
		p.Iss, p.Sub, _ = strings.Cut(id, "|")
	}
	if !p.Valid() {
		return p, &unknown{writ.ReasonUnauthenticated, "subject.id must be issuer|sub, such as https://issuer.example|repair-agent"}
	}
	return p, nil
}

// subject is the other direction of principal.
func (t terms) subject(p writ.Principal) map[string]string {
	out := map[string]string{"id": p.Iss + "|" + p.Sub}
	if t.issuer != "" {
		out["id"] = p.Sub
	}
	for name, kind := range t.subjects {
		if kind == p.Kind {
			out["type"] = name
		}
	}
	return out
}

// An unknown is a question of the right form about what Writ has none of: it is answered with a deny.
type unknown struct {
	code   writ.Reason
	detail string
}

func (u *unknown) Error() string { return string(u.code) + ": " + u.detail }
