package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/playbook"
)

// Asks open break-glass: BeginBreakGlass makes the statement that a passkey is to sign, and AskBreakGlass takes it signed. A
// person's session alone asks for nothing.
type Asks interface {
	BeginBreakGlass(ctx context.Context, by writ.Principal, wish writ.BreakGlassWish) (writ.BreakGlassBegun, error)
	AskBreakGlass(ctx context.Context, by writ.Principal, ask writ.BreakGlassAsk) (writ.BreakGlass, error)
}

// isDrill is what stands in an incident's place for an exercise.
const isDrill = "drill"

// parameterField is what stands before a parameter's name in a form and a link.
const parameterField = "p."

// A choiceView is what can be asked for, and the form for what was chosen.
type choiceView struct {
	Incidents []writ.Incident
	Playbooks []writ.PlaybookSummary // for emergencies alone
	Chosen    choice
	Fields    []field // of the chosen playbook; nil before one is
	Title     string  // of it, with its parameters' names
	Ready     bool    // incident and playbook are chosen, and the parameters are asked for
	Problem   string  // why what was sent is not taken
	Hint      string
}

// A choice is what a person has chosen so far, as it came: only what it is compared with counts.
type choice struct{ Incident, Service, Playbook, Justification string }

// Drill reports whether it is an exercise.
func (c choice) Drill() bool { return c.Incident == isDrill }

// A field is one parameter in a form.
type field struct {
	Name, Title, Allowed, Value string
	Options                     []string // one of these; nil for free text
	Needed                      bool
}

// chooseGlass is the form, in two steps: incident and playbook, then parameters and justification. A link may fill in all but
// the justification, which nobody writes for another person, and no letters that hide what stands there.
func (d *door) chooseGlass(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	q := r.URL.Query()
	get := func(name string) string {
		if s := bounded(q.Get(name)); writ.Printable(s, len(s)) == s {
			return s
		}
		return ""
	}
	v, err := d.choices(ctx, by, choice{Incident: get("incident"), Service: get("service"), Playbook: get("playbook")})
	if err != nil || !v.Ready {
		return view{title: "Break-glass", data: v}, err
	}
	_, pb, err := d.emergency(ctx, by, v.Chosen.Playbook)
	if err != nil {
		return view{}, err
	}
	v.fill(pb, get)
	return view{title: "Break-glass", data: v}, nil
}

// bounded cuts what a link or form has for one field: nothing that is taken is longer.
func bounded(s string) string {
	const most = 4000 // as control takes of a justification; names are shorter
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// choices are the open incidents and the playbooks for emergencies, and what of them is chosen.
func (d *door) choices(ctx context.Context, by writ.Principal, c choice) (choiceView, error) {
	v := choiceView{Chosen: c}
	var err error
	if v.Incidents, _, err = d.Incidents.Incidents(ctx, by, writ.IncidentFilter{State: writ.IncidentOpen, Limit: writ.MaxPage}); err != nil {
		return v, err
	}
	all, err := d.Playbooks.Playbooks(ctx, by, "")
	if err != nil {
		return v, err
	}
	for _, p := range all {
		if p.Emergency {
			v.Playbooks = append(v.Playbooks, p)
		}
	}
	i := slices.IndexFunc(v.Incidents, func(in writ.Incident) bool { return string(in.ID) == c.Incident })
	known := slices.ContainsFunc(v.Playbooks, func(p writ.PlaybookSummary) bool { return p.Name == c.Playbook })
	switch {
	case c.Playbook == "": // nothing is chosen yet, or a link has chosen the incident
	case i < 0 && !c.Drill():
		v.Problem = "Choose an open incident."
	case c.Drill() && !writ.IsName(c.Service):
		v.Problem = "Name the service that the drill is run on."
	case !known:
		v.Problem = "Choose a playbook for emergencies."
	default:
		if i >= 0 {
			v.Chosen.Service = v.Incidents[i].Service // of the incident, whatever the link says
		}
		v.Ready = true
	}
	return v, nil
}

// emergency returns a playbook's source, which has the digest that it is published under, and its content.
func (d *door) emergency(ctx context.Context, by writ.Principal, name string) (writ.PlaybookText, playbook.Playbook, error) {
	text, err := d.Playbooks.Playbook(ctx, by, name)
	if err != nil {
		return text, playbook.Playbook{}, err
	}
	pb, digest, err := playbook.Parse([]byte(text.Source))
	if err != nil {
		return text, pb, err
	}
	if !digest.Equal(text.Digest) || pb.Name != text.Name || pb.Version != text.Version || !pb.Emergency {
		return text, pb, writ.Refuse(writ.ReasonBreakGlassMismatch, "the playbook's source is not the one of its digest")
	}
	return text, pb, nil
}

// fill makes the form's fields, with the values that get has for them.
func (v *choiceView) fill(pb playbook.Playbook, get func(string) string) {
	v.Title, v.Fields = pb.Title, fieldsOf(pb, get)
}

// fieldsOf are the fields of a form for a playbook's parameters, with the values that get has for them.
func fieldsOf(pb playbook.Playbook, get func(string) string) (out []field) {
	for _, p := range pb.Parameters {
		f := field{Name: parameterField + p.Name, Title: p.Title, Allowed: p.Allowed(), Value: get(parameterField + p.Name), Options: slices.Clone(p.Values), Needed: !p.Optional && p.Default.IsZero()}
		if p.Type == "bool" {
			f.Options = []string{"true", "false"}
		}
		if f.Value == "" && !p.Default.IsZero() {
			f.Value = p.Default.String()
		}
		out = append(out, f)
	}
	return out
}

// A requestView is the exact request that is about to be signed. Its script hashes source and parameters again, and has
// nothing signed but a statement about them.
type requestView struct {
	choice
	writ.PlaybookSummary
	Bound      string // the playbook's sentence
	Text       raw    // in words
	With       writ.Parameters
	Incident   *writ.Incident // nil for a drill
	IncidentID writ.IncidentID
	Digest     writ.Digest // of the parameters
	Source     string      // the bytes, in base64
	Parameters string      // likewise, in their canonical form
	By         writ.Person
}

// requestGlass shows the request. It does nothing: what is typed into the form is checked, and the passkey asked for by what
// it returns.
func (d *door) requestGlass(w http.ResponseWriter, r *http.Request) {
	by, ok := d.person(w, r)
	if !ok {
		return
	}
	f, err := readForm(w, r)
	if err != nil {
		d.fail(w, r, by, err)
		return
	}
	get := func(name string) string { return bounded(strings.TrimSpace(f.Get(name))) }
	v, err := d.choices(r.Context(), by, choice{get("incident"), get("service"), get("playbook"), strings.ReplaceAll(get("justification"), "\r\n", "\n")})
	if err == nil && !v.Ready {
		d.show(w, r, by, http.StatusUnprocessableEntity, "choose", "", view{title: "Break-glass", data: v})
		return
	}
	var q requestView
	if err == nil {
		q, err = d.request(r.Context(), by, &v, get)
	}
	switch refused, asked := err.(*writ.Refusal); {
	case asked && v.Fields != nil:
		v.Problem, v.Hint = refused.Detail, refused.Hint
		d.show(w, r, by, http.StatusUnprocessableEntity, "choose", "", view{title: "Break-glass", data: v})
	case err != nil:
		d.fail(w, r, by, err)
	default:
		d.show(w, r, by, http.StatusOK, "request", "", view{title: "Break the glass?", data: q})
	}
}

// request binds what was chosen. Refusals are about what the person typed.
func (d *door) request(ctx context.Context, by writ.Principal, v *choiceView, get func(string) string) (requestView, error) {
	text, pb, err := d.emergency(ctx, by, v.Chosen.Playbook)
	if err != nil {
		return requestView{}, err
	}
	v.fill(pb, get)
	if v.Chosen.Justification == "" {
		return requestView{}, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "A justification is missing: why this cannot wait for the ordinary way."}
	}
	bound, err := pb.Bind(typed(pb, get))
	if err != nil {
		return requestView{}, err
	}
	canonical, err := canon.Marshal(bound.Parameters)
	if err != nil {
		return requestView{}, err
	}
	q := requestView{
		choice: v.Chosen, PlaybookSummary: text.PlaybookSummary, Bound: bound.Title, Text: lines([]byte(text.Text)), With: bound.Parameters,
		Source: base64.StdEncoding.EncodeToString([]byte(text.Source)), Parameters: base64.StdEncoding.EncodeToString(canonical), Digest: writ.DigestOf(canonical),
		By: writ.Person{Iss: by.Iss, Sub: by.Sub},
	}
	for i := range v.Incidents {
		if in := v.Incidents[i]; string(in.ID) == v.Chosen.Incident {
			q.Incident, q.IncidentID = &in, in.ID
		}
	}
	return q, nil
}

// typed are a form's parameters, each of the type that the playbook declares; one of another type stays text, and is refused
// with what is allowed. An empty field is no parameter.
func typed(pb playbook.Playbook, get func(string) string) writ.Parameters {
	out := writ.Parameters{}
	for _, p := range pb.Parameters {
		s := get(parameterField + p.Name)
		if s == "" {
			continue
		}
		out[p.Name] = writ.String(s)
		switch p.Type {
		case "integer":
			if n, err := strconv.ParseInt(s, 10, 64); err == nil {
				out[p.Name] = writ.Int(n)
			}
		case "bool":
			if b, err := strconv.ParseBool(s); err == nil {
				out[p.Name] = writ.Bool(b)
			}
		}
	}
	return out
}

// beginGlass makes the statement for the passkey, over the digests that the script computed.
func (d *door) beginGlass(ctx context.Context, by writ.Principal, _ *http.Request, body []byte) (any, error) {
	var in struct {
		Incident   string           `json:"incident"`
		Service    string           `json:"service"`
		Playbook   writ.PlaybookRef `json:"playbook"`
		Parameters writ.Parameters  `json:"parameters"`
	}
	if err := parseCall(body, &in); err != nil {
		return nil, err
	}
	id, err := incidentOf(in.Incident)
	if err != nil {
		return nil, err
	}
	return d.Approving.Asks.BeginBreakGlass(ctx, by, writ.BreakGlassWish{Incident: id, Service: in.Service, Playbook: in.Playbook, Parameters: in.Parameters})
}

func incidentOf(s string) (writ.IncidentID, error) {
	if s == "" { // a drill
		return "", nil
	}
	id, err := writ.ParseIncidentID(s)
	if err != nil {
		return "", badCall("the call names no incident")
	}
	return id, nil
}

// askGlass takes what the passkey signed.
func (d *door) askGlass(ctx context.Context, by writ.Principal, _ *http.Request, body []byte) (any, error) {
	var in struct {
		Statement     []byte          `json:"statement"`
		Passkey       writ.Assertion  `json:"passkey"`
		Parameters    writ.Parameters `json:"parameters"`
		Justification string          `json:"justification"`
	}
	if err := parseCall(body, &in); err != nil {
		return nil, err
	}
	g, err := d.Approving.Asks.AskBreakGlass(ctx, by, writ.BreakGlassAsk{Statement: in.Statement, Passkey: &in.Passkey, Parameters: in.Parameters, Justification: in.Justification})
	return map[string]writ.BreakGlassID{"id": g.ID}, err
}
