package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/store"
)

// FatigueLimits say when answering has become too much. A zero member means the default.
type FatigueLimits struct {
	Shift        time.Duration // in which a person's answers are counted
	PerShift     int           // answers from which on a person's approval needs another's beside it; 0: no such limit
	SuggestAfter int           // approvals of exactly the same repair after which its owner is told that a rule may serve better
}

const (
	defaultShift   = 8 * time.Hour
	defaultSuggest = 5
	maxShift       = 24 * time.Hour
	keepAnswers    = 30 * 24 * time.Hour // a person's habits are of this month
	maxAnswers     = 500                 // of one person, or of one repair, that are looked at
	hasty          = 15 * time.Second    // nobody has read an exact change in less
	enoughToSay    = 10                  // answers from which on a median or a rate says something
)

func (l FatigueLimits) whole() FatigueLimits {
	if l.Shift == 0 {
		l.Shift = defaultShift
	}
	if l.SuggestAfter == 0 {
		l.SuggestAfter = defaultSuggest
	}
	return l
}

func (l FatigueLimits) check() error {
	if l.Shift < 0 || l.Shift > maxShift || l.PerShift < 0 || l.PerShift > maxAnswers || l.SuggestAfter < 2 || l.SuggestAfter > maxAnswers {
		return fmt.Errorf("%w: fatigue: shift is at most %s, per_shift at most %d, suggest_after 2 to %d", writ.ErrInvalid, maxShift, maxAnswers, maxAnswers)
	}
	return nil
}

// An answerRow is one answer of a person. Key of the row is the person, State the repair.
type answerRow struct {
	Plan     writ.PlanID
	Playbook string
	Answer   writ.Answer
	At       time.Time
	Seconds  int // from when the plan was put before people
}

// inShift counts a person's answers in the last shift, and says whether one more is beyond what one person should decide alone.
func (c *Control) inShift(tx *store.Tx, p writ.Person) (n int, beyond bool, err error) {
	all, err := c.answersOf(tx, p)
	if err != nil {
		return 0, false, err
	}
	from := c.now().Add(-c.Fatigue.Shift)
	for _, a := range all {
		if a.At.After(from) {
			n++
		}
	}
	return n, c.Fatigue.PerShift > 0 && n >= c.Fatigue.PerShift, nil
}

// answersOf are the newest answers of a person.
func (c *Control) answersOf(tx *store.Tx, p writ.Person) ([]answerRow, error) {
	all, _, err := find[answerRow](tx, store.Answers, store.Filter{Key: personKey(p), Newest: true, Limit: maxAnswers})
	return all, err
}

// answered remembers an answer, and tells the owner of a service whose people approve the same again and again. It never
// changes a tier or a rule itself.
func (c *Control) answered(tx *store.Tx, p planRow, plan writ.Plan, a approvalRow) error {
	repair, err := repairOf(p.Service, p.Proposal.Playbook.Name, p.Proposal.Parameters)
	if err != nil {
		return err
	}
	before, err := sameApproved(tx, repair)
	if err != nil {
		return err
	}
	at := c.now()
	took := 0
	if !p.AskedAt.IsZero() {
		took = max(0, int(at.Sub(p.AskedAt).Seconds()))
	}
	err = store.Create(tx, store.Answers, store.Row{ID: string(a.Approval.ID), Incident: string(plan.Incident), Key: personKey(a.Person), State: repair, Due: millis(at.Add(keepAnswers))},
		answerRow{Plan: plan.ID, Playbook: plan.Playbook.Name, Answer: a.Answer, At: at, Seconds: took})
	if err != nil || a.Answer != writ.Approve || p.tier(plan) != writ.T2 || plan.Emergency != nil {
		return err
	}
	after, err := sameApproved(tx, repair)
	if err != nil || before >= c.Fatigue.SuggestAfter || after < c.Fatigue.SuggestAfter || c.Notices == nil {
		return err
	}
	f, err := c.about(tx, p, notice.Fact{Event: writ.NoticeRuleSuggested, Plan: plan.ID,
		Sentence: fmt.Sprintf("People approved exactly this repair %d times in thirty days: %s. A rule of tier 1 may serve better; writ policy simulate shows what it would do. Writ changes nothing by itself.", after, notice.Name(p.Title))})
	if err != nil {
		return err
	}
	return c.tell(tx, f)
}

// sameApproved counts the plans for exactly this repair that somebody approved.
func sameApproved(tx *store.Tx, repair string) (int, error) {
	all, _, err := find[answerRow](tx, store.Answers, store.Filter{State: repair, Newest: true, Limit: maxAnswers})
	plans := map[writ.PlanID]bool{}
	for _, a := range all {
		if a.Answer == writ.Approve {
			plans[a.Plan] = true
		}
	}
	return len(plans), err
}

// alone reports whether all who approved so far had answered too much to decide without somebody who had not.
func alone(rows []approvalRow) bool {
	return len(rows) > 0 && !slices.ContainsFunc(rows, func(r approvalRow) bool { return !r.Beyond })
}

// addAnswering adds what a person is to know before they answer: who is on call, and how much they have answered.
func (c *Control) addAnswering(ctx context.Context, by writ.Principal, s *writ.PlanStatus) error {
	if by.Kind != writ.KindHuman || s.State != writ.PlanWaiting {
		return nil
	}
	return c.Store.View(ctx, func(tx *store.Tx) error {
		p, _, err := store.Load[planRow](tx, store.Plans, string(s.ID))
		if err != nil {
			return err
		}
		if o := c.onCallOf(Slots(p.Owner)["oncall"]); o != nil {
			roster, err := c.mapped(tx)
			if err != nil {
				return err
			}
			g, err := c.held(tx, *o, members(roster, o.Group))
			if err != nil {
				return err
			}
			s.OnCall = &g
		}
		i, known := c.member(writ.Person{Iss: by.Iss, Sub: by.Sub})
		if !known {
			return nil
		}
		f, err := c.fatigue(tx, c.Roster[i].Person(), p)
		s.Fatigue = &f
		return err
	})
}

// fatigue is how much a person has answered lately, beside a plan.
func (c *Control) fatigue(tx *store.Tx, who writ.Person, p planRow) (writ.Fatigue, error) {
	f := writ.Fatigue{ShiftSeconds: int(c.Fatigue.Shift.Seconds()), Limit: c.Fatigue.PerShift}
	var err error
	if f.Answered, f.Beyond, err = c.inShift(tx, who); err != nil {
		return f, err
	}
	all, err := c.answersOf(tx, who)
	if err != nil {
		return f, err
	}
	var took []int
	approved, here, approvedHere := 0, 0, 0
	for _, a := range all {
		took = append(took, a.Seconds)
		mine := a.Playbook == p.Proposal.Playbook.Name
		if mine {
			here++
		}
		if a.Answer == writ.Approve {
			approved++
			if mine {
				approvedHere++
			}
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		f.MedianSeconds, f.Rate = took[len(took)/2], 1000*approved/len(took)
	}
	if f.OfPlaybook = here; here > 0 {
		f.RatePlaybook = 1000 * approvedHere / here
	}
	repair, err := repairOf(p.Service, p.Proposal.Playbook.Name, p.Proposal.Parameters)
	if err != nil {
		return f, err
	}
	if f.Same, err = sameApproved(tx, repair); err != nil {
		return f, err
	}
	f.Suggest = f.Same >= c.Fatigue.SuggestAfter
	rows, err := counted(tx, p.ID)
	f.Second = alone(rows)
	f.Warning = warning(f, len(took))
	return f, err
}

// warning is the one thing that the approver had better hear.
func warning(f writ.Fatigue, answers int) string {
	switch {
	case f.Beyond:
		return fmt.Sprintf("You have answered %d plans in this shift; the limit is %d. Your approval counts only beside that of somebody who is below it.", f.Answered, f.Limit)
	case answers >= enoughToSay && f.MedianSeconds < int(hasty.Seconds()):
		return fmt.Sprintf("Half of your answers took less than %d seconds. Read the exact change and the undo before you sign.", f.MedianSeconds+1)
	case f.OfPlaybook >= enoughToSay && f.RatePlaybook == 1000:
		return fmt.Sprintf("You have approved all of the last %d plans of this playbook. Look for what would make you say no.", f.OfPlaybook)
	}
	return ""
}
