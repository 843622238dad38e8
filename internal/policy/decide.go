package policy

import (
	"encoding/json"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// A Request is one ask. The playbook's action and each operation are decided on their own, and the worst answer
// counts. At least one of them must be there, and whatever writes is always asked for as part of a playbook: rules and
// raises of tiers.yaml that name the playbook would otherwise not see it.
type Request struct {
	Playbook   string   // name; empty only when nothing but readings are asked for
	Operations []string // of the steps, or readers, or ObserveEvidence; duplicates are decided once
	Facts      Facts
}

// Decide answers a request. It never fails: whatever cannot be decided is denied. ID, Plan, PlanDigest, Phase, Step
// and At are left to the caller. Facts holds what the rules saw, after tiers.yaml; deciding those facts again under
// the same bundle gives the same answer byte for byte.
func (b *Bundle) Decide(q Request) writ.Decision {
	if b == nil {
		return writ.Decision{
			Verdict: writ.Deny, Reason: writ.ReasonNoGrantRule, Because: []string{"No policy is loaded."},
			Facts: json.RawMessage("{}"), Engine: cedarx.Engine,
		}
	}
	return b.decide(q, manner{find: (*shelf).find, record: true, classes: true})
}

// Answer is Decide without the facts in their recorded form, which are half of its work: for simulations, where they
// are on record already.
func (b *Bundle) Answer(q Request) writ.Decision {
	if b == nil {
		return b.Decide(q)
	}
	return b.decide(q, manner{find: (*shelf).find, classes: true})
}

// A manner is how a decision is taken. The long ways are for tests, which compare them with the short ones.
type manner struct {
	find    func(*shelf, cedarx.Entity) []*cedarx.Policy // the index, or a search of all
	record  bool                                         // the facts are written down
	classes bool                                         // an action whose policies were evaluated already is not evaluated again
	strict  bool                                         // everything is converted, and validated by the engine, each time: see accepts and memo
}

func (b *Bundle) decide(q Request, m manner) writ.Decision {
	f := q.Facts
	d := writ.Decision{Policy: b.digest, Engine: cedarx.Engine, Facts: json.RawMessage("{}"), Observed: b.Observes(q.Playbook)}
	if err := f.check(); err != nil {
		return invalid(d, err)
	}
	b.raise(&f, q.Playbook, q.Operations)
	d.Tier, d.TierBecause = writ.Tier(f.Tier), f.TierBecause
	if m.record {
		facts, err := f.canonical()
		if err != nil {
			return invalid(d, err)
		}
		d.Facts = facts
	}
	e, actions, err := b.evaluator(&f, q, m)
	if err != nil {
		return invalid(d, err)
	}
	return b.write(d, e.worst(actions))
}

// worst joins the answers on all actions. An action whose policies are those of one before it has the same answer.
func (e *evaluator) worst(actions []string) answer {
	var worst answer
	var done [maxClasses]bool
	for i, a := range actions {
		if sh, known := e.bundle.index[a]; known && e.classes && sh.class > 0 && sh.class < maxClasses {
			if done[sh.class] {
				continue
			}
			done[sh.class] = true
		}
		if got := e.action(a); i == 0 {
			worst = got
		} else {
			worst = worst.join(got)
		}
	}
	return worst
}

// maxClasses bounds the classes of actions that are looked out for; actions of others are each decided.
const maxClasses = 64

// evaluator checks the facts' entities and names the actions of a request. f holds the facts that count, after tiers.yaml.
func (b *Bundle) evaluator(f *Facts, q Request, m manner) (*evaluator, []string, error) {
	e := &evaluator{bundle: b, manner: m, facts: f}
	var err error
	if e.principal, err = b.principal(f, m.strict); err != nil {
		return nil, nil, err
	}
	if e.service, err = b.service(f, m.strict); err != nil {
		return nil, nil, err
	}
	for _, r := range f.Roles {
		if f.Principal.Kind == writ.KindAgent && !slices.Contains(b.known.Roles, r) {
			return nil, nil, errUnknownWord
		}
	}
	for _, p := range f.Planes {
		if !slices.Contains(b.known.Planes, p) {
			return nil, nil, errUnknownPlane
		}
	}
	if !slices.Contains(b.known.Envs, f.Env) {
		return nil, nil, errUnknownWord
	}
	actions := make([]string, 0, 1+len(q.Operations))
	if q.Playbook != "" {
		actions = append(actions, PlaybookAction(q.Playbook))
	}
	for _, o := range q.Operations {
		if !slices.Contains(actions, o) {
			actions = append(actions, o)
		}
	}
	if len(actions) == 0 || q.Playbook == "" && slices.ContainsFunc(actions, b.index.writes) {
		return nil, nil, errNoAction
	}
	return e, actions, nil
}

// write fills the decision from the joined answer.
func (b *Bundle) write(d writ.Decision, a answer) writ.Decision {
	d.Verdict, d.Reason, d.Policies, d.Errors, d.Requirements = a.verdict, a.reason, a.policies, a.errors, a.requirements
	d.Duties = a.duties
	for _, id := range a.because {
		d.Because = append(d.Because, b.rules[id].Reason)
	}
	return d
}

func invalid(d writ.Decision, err error) writ.Decision {
	d.Verdict, d.Reason = writ.Deny, writ.ReasonInvalidRequest
	d.Because = []string{writ.Printable(err.Error(), maxReason)}
	return d
}
