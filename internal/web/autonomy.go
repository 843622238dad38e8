package web

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/writ-dev/writ"
)

// Decisions on autonomy: BeginAutonomy makes the statement that a passkey is to sign, and DecideAutonomy takes it signed. A
// person's session alone decides nothing.
type Decisions interface {
	BeginAutonomy(ctx context.Context, by writ.Principal, wish writ.AutonomyWish) (writ.AnswerAsk, error)
	DecideAutonomy(ctx context.Context, by writ.Principal, ask writ.AutonomyAsk) (writ.AutonomyOutcome, error)
}

// pathDecide is where decisions are made, at the approving origin.
const pathDecide = "/approve/autonomy"

// A decideView is one record, of a playbook on a service or of an agent, with what can be decided on it. Its script hashes
// the record's bytes again, and has nothing signed but a statement about them.
type decideView struct {
	Playbook *writ.PlaybookRecord
	Agent    *writ.AgentRecord // instead of Playbook
	Tally    writ.Tally
	From     writ.Tier
	Choices  []decideChoice // none: there is nothing to decide
	Digest   writ.Digest
	Text     string // the record's bytes, in base64
	By       writ.Person
}

// A decideChoice is one move that can be decided now.
type decideChoice struct {
	To writ.Tier
	Up bool // people are asked less often
}

// decideAt is where a passkey decides on a playbook or an agent; empty where none can.
func (d *door) decideAt(path string) string {
	if d.Approving == nil {
		return ""
	}
	return d.Approving.Origin + pathDecide + path
}

// decidePlaybook shows the record of a playbook on a service, which must have its digest.
func (d *door) decidePlaybook(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	name, service := r.PathValue("name"), r.PathValue("service")
	if !writ.IsName(name) || !writ.IsName(service) {
		return view{}, writ.ErrNotFound
	}
	all, err := d.Autonomy.PlaybookRecords(ctx, by, name, service)
	if err != nil {
		return view{}, err
	}
	for _, x := range all {
		if x.Playbook != name || x.Service != service {
			continue
		}
		v := decideView{Playbook: &x, Tally: x.Tally, From: x.Stands, By: writ.Person{Iss: by.Iss, Sub: by.Sub}}
		if m := x.Proposed; m != nil && m.Up() {
			v.Choices = append(v.Choices, decideChoice{m.To, true})
		}
		if x.Stands < writ.T4 {
			v.Choices = append(v.Choices, decideChoice{x.Stands + 1, false})
		}
		b, err := x.Bytes()
		return v.bound("Autonomy of "+short(x.Playbook), b, x.Digest, err)
	}
	return view{}, writ.ErrNotFound
}

// decideAgent shows the record of an agent likewise.
func (d *door) decideAgent(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	name := r.PathValue("name")
	if !writ.IsName(name) {
		return view{}, writ.ErrNotFound
	}
	all, err := d.Autonomy.AgentRecords(ctx, by, name)
	if err != nil {
		return view{}, err
	}
	for _, x := range all {
		if x.Name != name {
			continue
		}
		v := decideView{Agent: &x, Tally: x.Tally, From: writ.T1, By: writ.Person{Iss: by.Iss, Sub: by.Sub}}
		if x.Lost {
			v.From, v.Choices = writ.T2, []decideChoice{{writ.T1, true}}
		}
		b, err := x.Bytes()
		return v.bound("Autonomy of "+short(x.Name), b, x.Digest, err)
	}
	return view{}, writ.ErrNotFound
}

// bound shows a record beside the digest of its own bytes alone.
func (v decideView) bound(title string, b []byte, named writ.Digest, err error) (view, error) {
	if err != nil {
		return view{}, err
	}
	if v.Digest = writ.DigestOf(b); !v.Digest.Equal(named) {
		return view{}, writ.Refuse(writ.ReasonAutonomyMoved, "the record's bytes are not those of its digest")
	}
	v.Text = base64.StdEncoding.EncodeToString(b)
	return view{title: title, data: v}, nil
}

// beginDecision makes the statement for the passkey, over the digest that the script computed.
func (d *door) beginDecision(ctx context.Context, by writ.Principal, _ *http.Request, body []byte) (any, error) {
	var wish struct {
		Playbook string      `json:"playbook"`
		Service  string      `json:"service"`
		Agent    string      `json:"agent"`
		To       writ.Tier   `json:"to"`
		Record   writ.Digest `json:"record"`
	}
	if err := parseCall(body, &wish); err != nil {
		return nil, err
	}
	return d.Approving.Decisions.BeginAutonomy(ctx, by, writ.AutonomyWish(wish))
}

// decideAutonomy takes what the passkey signed.
func (d *door) decideAutonomy(ctx context.Context, by writ.Principal, _ *http.Request, body []byte) (any, error) {
	var in struct {
		Statement []byte         `json:"statement"`
		Passkey   writ.Assertion `json:"passkey"`
		Reason    string         `json:"reason"`
	}
	if err := parseCall(body, &in); err != nil {
		return nil, err
	}
	_, err := d.Approving.Decisions.DecideAutonomy(ctx, by, writ.AutonomyAsk{Statement: in.Statement, Passkey: &in.Passkey, Reason: in.Reason})
	return map[string]bool{"decided": err == nil}, err
}
