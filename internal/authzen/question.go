package authzen

import (
	"encoding/json"
	"fmt"
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

// question reads a request. Members of the defaults stand in for those that are missing. For the part that is searched
// for, only the type is read.
func question(in, defaults object, searched string) (writ.AccessQuestion, error) {
	var q writ.AccessQuestion
	get := func(name string, required bool) (object, error) {
		from := in
		if _, ok := in[name]; !ok {
			from = defaults
		}
		o, err := from.object(name)
		if err == nil && o == nil && required {
			err = form(name + " is missing")
		}
		return o, err
	}
	subject, err := get(partSubject, true)
	if err != nil {
		return q, err
	}
	if q.Subject, err = principal(subject, searched != partSubject); err != nil {
		return q, err
	}
	resource, err := get(partResource, true)
	if err != nil {
		return q, err
	}
	kind, err := resource.text(partResource, "type", true)
	if err != nil {
		return q, err
	}
	if q.Service, err = resource.text(partResource, "id", searched != partResource); err != nil {
		return q, err
	}
	if kind != typeService {
		return q, &unknown{writ.ReasonUnknownService, "resource.type must be service"}
	}
	action, err := get(partAction, searched != partAction)
	if err != nil {
		return q, err
	}
	if searched != partAction {
		if q.Action, err = action.text(partAction, "name", true); err != nil {
			return q, err
		}
	}
	about, err := get("context", false)
	if err != nil {
		return q, err
	}
	return q, names(&q, about)
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
func principal(o object, whole bool) (writ.Principal, error) {
	kind, err := o.text(partSubject, "type", true)
	if err != nil {
		return writ.Principal{}, err
	}
	id, err := o.text(partSubject, "id", whole)
	if err != nil {
		return writ.Principal{}, err
	}
	p := writ.Principal{Kind: writ.KindAgent}
	switch kind {
	case typeAgent:
	case typePerson:
		p.Kind = writ.KindHuman
	default:
		return p, &unknown{writ.ReasonKind, "subject.type must be agent or person"}
	}
	if !whole {
		return p, nil
	}
	p.Iss, p.Sub, _ = strings.Cut(id, "|")
	if !p.Valid() {
		return p, &unknown{writ.ReasonUnauthenticated, "subject.id must be issuer|sub, such as https://issuer.example|repair-agent"}
	}
	return p, nil
}

// subjectOf is the other direction of principal.
func subjectOf(p writ.Principal) map[string]string {
	kind := typeAgent
	if p.Kind == writ.KindHuman {
		kind = typePerson
	}
	return map[string]string{"type": kind, "id": p.Iss + "|" + p.Sub}
}

// An unknown is a question of the right form about what Writ has none of: it is answered with a deny.
type unknown struct {
	code   writ.Reason
	detail string
}

func (u *unknown) Error() string { return string(u.code) + ": " + u.detail }
