package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
)

const (
	// maxSuppose bounds what a person writes to change a request, in bytes: it stands in the address.
	maxSuppose = 2000
	// maxReplayRows bounds the decisions of a replay on the page; the command line has all.
	maxReplayRows = 40
)

// A labView is one question to the policy set in force, and its answer.
type labView struct {
	Services, Playbooks, Agents []string
	Ask                         study.ReachQuestion // what was chosen
	Plan                        string              // instead: a plan whose facts are asked about
	With                        string              // facts that are supposed, as they were typed
	Set                         writ.Digest         // of the set that answers
	Rules                       int
	Wrong                       string // what is wrong with the question
	Was                         *writ.Decision
	Other                       bool // the set that decided then is not the one that answers
	Answer                      *study.Explanation
	Facts                       []labFact
	Case                        raw // of the set's tests
	Replay                      *study.Simulation
	Kinds                       []study.Kind
}

// A labFact is one fact of the question.
type labFact struct {
	Name, Value string
	Mattered    bool // changed alone, it changes the answer
}

func (d *door) policyLab(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	q := r.URL.Query()
	v := labView{
		Ask:  study.ReachQuestion{Service: named(q, "service"), Playbook: named(q, "playbook"), Agent: named(q, "agent")},
		Plan: strings.TrimSpace(q.Get("plan")), With: strings.ReplaceAll(q.Get("with"), "\r\n", "\n"),
	}
	if len(v.With) > maxSuppose {
		v.With, v.Wrong = "", fmt.Sprintf("facts: at most %s bytes", number(maxSuppose))
	}
	done, err := d.lab()
	if err != nil {
		return view{}, err
	}
	defer done()
	names, err := d.Lab.LabNames(ctx, by)
	if err != nil {
		return view{}, err
	}
	v.Services, v.Playbooks, v.Agents = few(names.Services), few(names.Playbooks), few(names.Agents)
	set, err := d.Lab.RulesInForce(ctx, by)
	if err != nil {
		return view{}, err
	}
	v.Set, v.Rules = set.Digest(), len(set.Rules())
	if q.Get("replay") != "" {
		s, err := d.Lab.Replay(ctx, by)
		if err != nil {
			return view{}, err
		}
		s.RowsLeft += max(len(s.Rows)-maxReplayRows, 0)
		s.Rows = s.Rows[:min(len(s.Rows), maxReplayRows)]
		v.Replay, v.Kinds = &s, study.Kinds()
		return view{title: "Policy lab", data: v}, nil
	}
	if v.Wrong == "" && (v.Plan != "" || v.Ask != study.ReachQuestion{}) {
		err = d.answerLab(ctx, by, set, &v)
	}
	if wrong, ok := sayable(err); ok {
		v.Wrong, err = wrong, nil
	}
	return view{title: "Policy lab", data: v}, err
}

// answerLab asks what the view says.
func (d *door) answerLab(ctx context.Context, by writ.Principal, set *policy.Bundle, v *labView) error {
	ask, title, err := d.labRequest(ctx, by, v)
	if err != nil {
		return err
	}
	if ask, err = study.Suppose(set, ask, v.With); err != nil {
		return err
	}
	x := study.Explain(set, ask)
	v.Answer = &x
	v.Facts = labFacts(ask, x)
	src, err := policy.SaveCase(set, ask, title)
	if err == nil {
		v.Case = lines(src)
	}
	if x.Decision.Reason == writ.ReasonInvalidRequest { // it says itself what is wrong
		return nil
	}
	return err
}

// labRequest is the request that is asked about: a plan's own, with the facts of its newest decision, or one of a good day.
func (d *door) labRequest(ctx context.Context, by writ.Principal, v *labView) (q policy.Request, title string, err error) {
	if v.Plan == "" {
		q, err = d.Lab.Suppose(ctx, by, v.Ask.Service, v.Ask.Playbook, v.Ask.Agent)
		return q, short(v.Ask.Agent) + " asks for " + short(v.Ask.Playbook) + " on " + short(v.Ask.Service), err
	}
	id, err := writ.ParsePlanID(v.Plan)
	if err != nil {
		return q, "", err
	}
	p, err := d.Plans.Plan(ctx, by, id, 0)
	if err != nil {
		return q, "", err
	}
	if q, err = study.OfPlan(p); err != nil {
		return q, "", err
	}
	v.Was, v.Other = p.Decision, !p.Decision.Policy.Equal(v.Set)
	return q, "as in " + string(id), nil
}

// labFacts are the facts by name, as they stand in a decision.
func labFacts(q policy.Request, x study.Explanation) []labFact {
	var out []labFact
	b, err := json.Marshal(q.Facts)
	var raw map[string]json.RawMessage
	if err != nil || json.Unmarshal(b, &raw) != nil {
		return nil // policy has denied them
	}
	mattered := func(name string) bool {
		return slices.ContainsFunc(x.Mattered, func(m study.Fact) bool { return m.Name == name })
	}
	for _, m := range x.Mattered {
		if raw[m.Name] == nil {
			out = append(out, labFact{m.Name, m.Value, true})
		}
	}
	for _, name := range sortedKeys(raw) {
		if name != "tierProof" { // the set's own
			out = append(out, labFact{name, strings.Trim(string(raw[name]), `"`), mattered(name)})
		}
	}
	slices.SortStableFunc(out, func(a, b labFact) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// sayable are errors that are about the question: they stand beside it, and the question stays.
func sayable(err error) (string, bool) {
	if refused, ok := errors.AsType[*writ.Refusal](err); ok {
		return strings.TrimSpace(refused.Detail + ". " + refused.Hint), true
	}
	switch {
	case errors.Is(err, writ.ErrInvalid):
		return err.Error(), true
	case errors.Is(err, writ.ErrNotFound):
		return "there is no such plan, or none that you may know of", true
	}
	return "", false
}

// Keep is this page with other facts supposed beside those that are typed already.
func (v labView) Keep(m []study.Move) string {
	var with []string
	for line := range strings.Lines(v.With) {
		name, _, _ := strings.Cut(line, "=")
		if s := strings.TrimSpace(line); s != "" && !slices.ContainsFunc(m, func(x study.Move) bool { return x.Fact == strings.TrimSpace(name) }) {
			with = append(with, s)
		}
	}
	for _, x := range m {
		if !slices.Contains(study.Facts(), x.Fact) {
			return "" // what no line of facts can say
		}
		to := strings.Trim(strings.ReplaceAll(x.To, `"`, ""), "[]")
		if to == "" {
			to = "absent"
		}
		with = append(with, x.Fact+" = "+to)
	}
	q := url.Values{"with": {strings.Join(with, "\n")}}
	for name, value := range map[string]string{"plan": v.Plan, "service": v.Ask.Service, "playbook": v.Ask.Playbook, "agent": v.Ask.Agent} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/policy?" + q.Encode()
}

// Typed is what was typed, with what hides in it made visible.
func (v labView) Typed() string { return claimLines(v.With) }

// PlanShown is the plan's id as it was typed.
func (v labView) PlanShown() string { return short(v.Plan) }

// claimLines shows a text of several lines.
func claimLines(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		out = append(out, writ.Printable(strings.TrimRight(line, "\n"), maxSuppose))
	}
	return strings.Join(out, "\n")
}
