package control

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/store"
)

// keepAttempts is how long an attempt is remembered: as long as a window can be.
const keepAttempts = playbook.MaxWindow

// maxRecalled bounds how many attempts on one object are looked at; a limit above it is none.
const maxRecalled = 2 * playbook.MaxAttempts

// An attemptRow is one run on one object, or of one repair. Key of the row is the object's location or the repair, State
// the run; Due is when it no longer matters.
type attemptRow struct {
	Run      writ.RunID
	Playbook string
	Service  string
	Object   writ.Location `json:",omitempty"` // empty: of the repair as it was asked for
	At       time.Time     // granted
	Ended    *time.Time    `json:",omitempty"`
	Outcome  writ.RunState `json:",omitempty"`
}

// repairOf names a repair whoever asks for it, in whatever incident: a playbook with its parameters on a service.
func repairOf(service string, name string, with writ.Parameters) (string, error) {
	b, err := canon.Marshal(struct {
		Service    string          `json:"service"`
		Playbook   string          `json:"playbook"`
		Parameters writ.Parameters `json:"parameters,omitempty"`
	}{service, name, with})
	if err != nil {
		return "", err
	}
	return writ.DigestOf(b).String(), nil
}

// attempted counts a granted run against its objects and its repair.
func (c *Control) attempted(tx *store.Tx, run writ.RunID, p planRow, plan writ.Plan) error {
	if plan.Reverts != "" {
		return nil // an undo is no attempt at a repair
	}
	repair, err := repairOf(p.Service, p.Proposal.Playbook.Name, p.Proposal.Parameters)
	if err != nil {
		return err
	}
	at := c.now()
	keys := []string{repair}
	for _, o := range objectsOf(plan) {
		keys = append(keys, string(o))
	}
	for i, key := range keys {
		a := attemptRow{Run: run, Playbook: plan.Playbook.Name, Service: plan.Service, At: at}
		if i > 0 {
			a.Object = writ.Location(key)
		}
		err := store.Create(tx, store.Attempts, store.Row{
			ID: fmt.Sprintf("%s/%d", run, i), Incident: string(plan.Incident), Key: key, State: string(run), Due: millis(at.Add(keepAttempts)),
		}, a)
		if err != nil {
			return err
		}
	}
	return nil
}

// endAttempts notes when and how a run ended. One that never began was no attempt.
func (c *Control) endAttempts(tx *store.Tx, run writ.Run) error {
	all, rows, err := find[attemptRow](tx, store.Attempts, store.Filter{State: string(run.ID)})
	if err != nil {
		return err
	}
	for i, a := range all {
		if run.State == writ.RunRefused || run.State == writ.RunExpired {
			if err := tx.Delete(store.Attempts, rows[i].ID); err != nil {
				return err
			}
			continue
		}
		at := c.now()
		a.Ended, a.Outcome = &at, run.State
		rows[i].Due = millis(at.Add(keepAttempts))
		if err := store.Save(tx, store.Attempts, rows[i], rows[i].State, a); err != nil {
			return err
		}
	}
	return nil
}

// A pause is why a playbook may not run on an object yet.
type pause struct {
	reason   writ.Reason
	attempts int // that led to it
	last     attemptRow
	until    time.Time
	any      bool // attempts of any playbook were counted
}

// pauseOf looks at the attempts on one key, newest first: none of this counts by incident or session, so that neither a
// new incident nor a new connection makes anybody's slate clean.
func (c *Control) pauseOf(name string, recent []attemptRow) *pause {
	rules := c.repeatOf(name)
	now := c.now()
	var mine, all []attemptRow
	for _, a := range recent {
		if a.At.After(now.Add(-c.Limits.Window)) {
			all = append(all, a)
		}
		if a.Playbook == name && a.At.After(now.Add(-rules.Window)) {
			mine = append(mine, a)
		}
	}
	var worst *pause
	later := func(p pause) {
		if p.until.After(now) && (worst == nil || p.until.After(worst.until)) {
			worst = &p
		}
	}
	if len(all) >= c.Limits.ObjectAttempts {
		later(pause{writ.ReasonAttempts, len(all), all[0], all[c.Limits.ObjectAttempts-1].At.Add(c.Limits.Window), true})
	}
	if len(mine) >= rules.MaxAttempts {
		later(pause{writ.ReasonAttempts, len(mine), mine[0], mine[rules.MaxAttempts-1].At.Add(rules.Window), false})
	}
	for _, a := range recent {
		if a.Playbook != name {
			continue
		}
		if a.Ended == nil {
			continue // it is still running: who writes the object says the lock
		}
		from := *a.Ended
		if worst == nil || worst.reason == writ.ReasonCooldown { // "too often" says more than "too soon"
			later(pause{writ.ReasonCooldown, len(mine), a, from.Add(rules.Cooldown), false})
		}
	}
	return worst
}

// repeatOf is how often a playbook may run on one object.
func (c *Control) repeatOf(name string) playbook.Repeat {
	r := c.Library[name].Playbook.Repeat
	if r.MaxAttempts == 0 {
		r.MaxAttempts, r.Window = c.Limits.Attempts, c.Limits.Window
	}
	return r
}

// recalled is how many of the newest attempts on one object tell whether a playbook may run: those that its own limit
// counts, among as many of other playbooks as the object's limit lets through meanwhile.
func (c *Control) recalled(r playbook.Repeat) int {
	n := 1 // the cooldown's
	if r.MaxAttempts <= maxRecalled {
		n += r.MaxAttempts
	}
	if c.Limits.ObjectAttempts <= maxRecalled {
		n += c.Limits.ObjectAttempts * int(1+max(0, r.Window-1)/c.Limits.Window)
	}
	return min(n, maxRecalled)
}

// tooOften refuses a repair that was tried too often, or too short a time ago, on one of these keys: objects, or the
// repair itself. The number of rows it reads does not grow with the past.
func (c *Control) tooOften(tx *store.Tx, name string, keys ...string) (*writ.Refusal, error) {
	for _, key := range keys {
		recent, _, err := find[attemptRow](tx, store.Attempts, store.Filter{Key: key, Newest: true, Limit: c.recalled(c.repeatOf(name))})
		if err != nil {
			return nil, err
		}
		p := c.pauseOf(name, recent)
		if p == nil {
			continue
		}
		what := "this repair"
		if p.last.Object != "" {
			what = string(p.last.Object)
		}
		r := &writ.Refusal{Code: p.reason, Kind: writ.ErrBusy, After: p.until.Sub(c.now())}
		switch {
		case p.reason == writ.ReasonCooldown:
			r.Detail = fmt.Sprintf("%s ran on %s until %s (%s); it may run again from %s on", name, what, clock(*p.last.Ended), p.last.Outcome, clock(p.until))
			r.Hint = fmt.Sprintf("see first whether it helped; it may be asked for again from %s on", clock(p.until))
		case p.any:
			r.Detail = fmt.Sprintf("%s was changed %d times lately, which does not last; it is left alone until %s", what, p.attempts, clock(p.until))
			r.Hint = fmt.Sprintf("find who or what keeps breaking it and ask its owner; ask again from %s on", clock(p.until))
		default:
			r.Detail = fmt.Sprintf("%s was tried %d times on %s and does not last; it is blocked until %s", name, p.attempts, what, clock(p.until))
			r.Hint = fmt.Sprintf("find who or what keeps breaking it, and repair that; ask again from %s on", clock(p.until))
		}
		return r, nil
	}
	return nil, nil
}

// underWay refuses a repair that a run is carrying out right now.
func underWay(tx *store.Tx, repair string) error {
	recent, _, err := find[attemptRow](tx, store.Attempts, store.Filter{Key: repair, Newest: true, Limit: 1})
	if err != nil || len(recent) == 0 || recent[0].Ended != nil {
		return err
	}
	return &writ.Refusal{
		Code: writ.ReasonObjectBusy, Kind: writ.ErrBusy, After: afterBusy,
		Detail: fmt.Sprintf("exactly this repair is being carried out since %s", clock(recent[0].At)),
		Hint:   "wait until it has ended, and read fresh evidence",
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }
