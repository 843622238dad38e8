package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/store"
)

// PlaybookRecords lists the records of playbooks on services, by both names: of one playbook, or one service, or all. A
// playbook that has not run yet on a service has none. People only.
func (c *Control) PlaybookRecords(ctx context.Context, by writ.Principal, playbook, service string) ([]writ.PlaybookRecord, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	var out []writ.PlaybookRecord
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		out = nil
		f := store.Filter{Key: playbook, State: statePlaybook}
		return pages(tx, f, func(doc bookRow) error {
			if service != "" && doc.Record.Service != service || playbook != "" && doc.Record.Playbook != playbook {
				return nil
			}
			r, err := c.showBook(doc)
			out = append(out, r)
			return err
		})
	})
	slices.SortFunc(out, func(a, b writ.PlaybookRecord) int {
		return strings.Compare(a.Playbook+" "+a.Service, b.Playbook+" "+b.Service)
	})
	return out, err
}

// pages goes through the records of a filter, page by page.
func pages[T any](tx *store.Tx, f store.Filter, fn func(T) error) error {
	for {
		docs, rows, err := find[T](tx, store.Records, f)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, d := range docs {
			if err := fn(d); err != nil {
				return err
			}
		}
		f.AfterSeq = rows[len(rows)-1].Seq
	}
}

func (c *Control) showBook(doc bookRow) (writ.PlaybookRecord, error) {
	r := doc.Record
	if s, ok := c.Services[r.Service]; ok {
		r.Owner = s.Owner
	}
	r.Stands = doc.stands(doc.Level)
	var err error
	r.Digest, err = r.Evidence()
	return r, err
}

// AgentRecords lists the records of registered agents, by name: of one, or of all. People only.
func (c *Control) AgentRecords(ctx context.Context, by writ.Principal, name string) ([]writ.AgentRecord, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	all, err := c.allAgents(ctx)
	if err != nil {
		return nil, err
	}
	if name != "" {
		a, err := c.Agent(ctx, by, name)
		if err != nil {
			return nil, err
		}
		all = []writ.Agent{a}
	}
	var out []writ.AgentRecord
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		out = nil
		open, _, err := find[slotRow](tx, store.Slots, store.Filter{})
		if err != nil {
			return err
		}
		for _, a := range all {
			doc, _, _, err := c.agentRecord(tx, a.Principal())
			if err != nil {
				return err
			}
			r, err := showAgent(doc, a)
			if err != nil {
				return err
			}
			if r.Budgets, err = c.budgets(tx, a.Principal(), open); err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

func showAgent(doc agentRow, a writ.Agent) (writ.AgentRecord, error) {
	r := doc.Record
	r.Name, r.Team, r.State = a.Name, a.Team, a.State
	var err error
	r.Digest, err = r.Evidence()
	return r, err
}

// DecideAutonomy takes a person's signed decision on a record: one move of a playbook on a service by one tier, or T1 back to
// an agent. It counts on the record that it was signed for alone. A move to more autonomy is taken only where Writ proposes
// it, from as many different people of the owning team as it needs; one of them is enough for more care.
func (c *Control) DecideAutonomy(ctx context.Context, by writ.Principal, ask writ.AutonomyAsk) (writ.AutonomyOutcome, error) {
	s, err := c.decideAutonomy(ctx, by, ask)
	if err != nil {
		return writ.AutonomyOutcome{}, c.deny(ctx, "autonomy", by, "", err)
	}
	var out writ.AutonomyOutcome
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		if s.Agent != nil {
			a, _, err := c.registered(tx, *s.Agent)
			if err != nil {
				return err
			}
			doc, _, _, err := c.agentRecord(tx, *s.Agent)
			if err != nil {
				return err
			}
			r, err := showAgent(doc, a)
			out.Agent = &r
			return err
		}
		doc, _, _, err := c.bookRecord(tx, s.Service, s.Playbook)
		if err != nil {
			return err
		}
		r, err := c.showBook(doc)
		out.Playbook = &r
		return err
	})
	return out, err
}

func (c *Control) decideAutonomy(ctx context.Context, by writ.Principal, ask writ.AutonomyAsk) (s writ.AutonomyStatement, err error) {
	if err := first(person(by), reasoned(ask.Reason)); err != nil {
		return s, err
	}
	if s, err = writ.ParseAutonomyStatement(ask.Statement); err != nil {
		return s, &writ.Refusal{Code: writ.ReasonAutonomyForm, Kind: writ.ErrInvalid, Detail: writ.Printable(err.Error(), 300)}
	}
	why, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(ask.Reason))
	if err != nil {
		return s, err
	}
	return s, c.Store.Update(ctx, func(tx *store.Tx) error {
		v, err := c.verifyDecision(tx, ask.Signed(), s.From, c.Now())
		if err != nil {
			return err
		}
		if !v.Statement.Person.Principal().Same(by) {
			return writ.Refuse(writ.ReasonApproverConflict, "the statement names another person than the one who sends it")
		}
		key := "autonomy " + s.Person.Iss + " " + s.Person.Sub + " " + s.Nonce
		err = store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: millis(s.Expires.Add(nonceMargin))}, struct{}{})
		if errors.Is(err, writ.ErrConflict) {
			return &writ.Refusal{Code: writ.ReasonApprovalReplayed, Kind: writ.ErrDenied, Detail: "this decision was handed in before", Hint: "look at the record again, and sign a new one"}
		}
		if err != nil {
			return err
		}
		if ask.Passkey != nil {
			if err := c.asserted(tx, decisionName(s, by), s.Nonce, v.Passkey, v.Counter, "/v1/autonomy/begin"); err != nil {
				return err
			}
		}
		if s.Agent != nil {
			return c.restoreAgent(tx, v, ask, why)
		}
		return c.movePlaybook(tx, v, ask, why)
	})
}

// movePlaybook takes one person's word for a move, and makes the move when enough have given theirs.
func (c *Control) movePlaybook(tx *store.Tx, v approval.Decided, ask writ.AutonomyAsk, why writ.Commitment) error {
	s := v.Statement
	doc, row, fresh, err := c.bookRecord(tx, s.Service, s.Playbook)
	if err != nil {
		return err
	}
	owner, err := c.mayMove(doc, fresh, v.Groups, s)
	if err != nil {
		return err
	}
	if s.To < s.From {
		if err := v.About(doc.Record.Proposed.At); err != nil {
			return err
		}
	}
	answered := doc.Record.Proposed != nil && doc.Record.Proposed.To == s.To
	var given []answerGiven
	if answered {
		if given, err = c.stillGiven(tx, doc, owner); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(given, func(g answerGiven) bool { return slices.Contains(v.Accounts, g.By) }) {
		return &writ.Refusal{Code: writ.ReasonApproverConflict, Kind: writ.ErrConflict, Detail: "the same person has decided this before", Hint: "somebody else of " + owner + " decides, too"}
	}
	e, err := c.enterAnswer(tx, v, ask, owner, why)
	if err != nil {
		return err
	}
	given = append(given, answerGiven{ask.Signed(), v.Person, c.now(), e.hash})
	if answered {
		m := *doc.Record.Proposed
		m.Answers = votes(given)
		doc.Record.Proposed, doc.Given = &m, given
	}
	var leaves []writ.Ref
	for _, g := range given {
		leaves = append(leaves, ref("answer", g.Leaf)...)
	}
	needs := needed(s.From, s.To)
	if len(leaves) < needs {
		return put(tx, row, fresh, doc)
	}
	level := doc.Level + int(s.To-s.From)
	if err := c.enterBook(tx, doc, writ.AutonomyMoved, level, "", needs, leaves); err != nil {
		return err
	}
	c.moved(&doc, level)
	return put(tx, row, fresh, doc)
}

// restoreAgent gives an agent T1 back. The person is of its team, and does not answer for it: nobody judges their own.
func (c *Control) restoreAgent(tx *store.Tx, v approval.Decided, ask writ.AutonomyAsk, why writ.Commitment) error {
	s := v.Statement
	a, ok, err := c.registered(tx, *s.Agent)
	if err != nil || !ok {
		return first(err, c.unknownAgent(s.Agent.Sub))
	}
	doc, row, fresh, err := c.agentRecord(tx, *s.Agent)
	if err != nil {
		return err
	}
	if err := mayRestore(a, doc, v.Groups, v.Accounts, s.Record); err != nil {
		return err
	}
	if doc.Record.Since != nil {
		if err := v.About(*doc.Record.Since); err != nil {
			return err
		}
	}
	e, err := c.enterAnswer(tx, v, ask, a.Team, why)
	if err != nil {
		return err
	}
	doc.Record.Lost, doc.Record.Balance, doc.Record.Since = false, 0, new(c.now())
	if err := c.enterAgentRecord(tx, doc.Record, writ.AutonomyRestored, "", ref("answer", e.hash)); err != nil {
		return err
	}
	return put(tx, row, fresh, doc)
}

func (c *Control) enterAnswer(tx *store.Tx, v approval.Decided, ask writ.AutonomyAsk, team string, why writ.Commitment) (entry, error) {
	s := v.Statement
	return c.append(tx, writ.EntryAutonomyAnswer, "", writ.AutonomyAnswerBody{
		Playbook: s.Playbook, Service: s.Service, Agent: s.Agent, From: s.From, To: s.To, Team: team, By: v.Person, Proof: v.Proof, Key: v.Key,
		Statement: ask.Statement, Signature: ask.Signature, Passkey: ask.Passkey, Reason: why,
	})
}

// tellAutonomy tells the team that owns what has changed.
func (c *Control) tellAutonomy(tx *store.Tx, e writ.NoticeEvent, team, service, sentence string) error {
	f := notice.Fact{Event: e, Team: team, Subject: "autonomy " + team, Sentence: sentence}
	if s, ok := c.Services[service]; ok {
		f.Service, f.Environment = s.Name, s.Environment
	}
	return c.tell(tx, f)
}
