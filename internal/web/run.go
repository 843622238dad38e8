package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
)

// A runView is one run: how far it is, what exists of its credential, and what a person must settle.
type runView struct {
	writ.RunStatus
	Bars     []bar
	From, To time.Time // of the bars
	Going    bool
	Dead     bool // every lease is proven dead
}

func (d *door) run(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	id, err := writ.ParseRunID(r.PathValue("id"))
	if err != nil {
		return view{}, writ.ErrNotFound
	}
	s, err := d.Runs.Run(ctx, by, id, 0)
	if err != nil {
		return view{}, err
	}
	v := runView{RunStatus: s, Going: !s.State.Final(), Dead: true}
	for _, l := range s.Leases {
		v.Dead = v.Dead && l.Dead()
	}
	v.Bars = bars(s, d.Now())
	for i, b := range v.Bars {
		if i == 0 || b.From.Before(v.From) {
			v.From = b.From
		}
		if b.To.After(v.To) {
			v.To = b.To
		}
	}
	name := s.Title
	if name == "" {
		name = string(s.ID)
	}
	return view{title: "Run: " + long(name), said: "run " + word(s.State), data: v}, nil
}

// bars folds a run's entries into its time line: each intent with its effect, the checks, the life of each lease. What has
// not ended reaches to now.
func bars(s writ.RunStatus, now time.Time) []bar {
	var out []bar
	open := -1 // the row whose effect is awaited
	begin := func(label string, at time.Time) {
		out = append(out, bar{Label: label, Class: "wait", From: at, To: later(at, now), Open: true})
		open = len(out) - 1
	}
	end := func(at time.Time, ok bool) {
		if open < 0 {
			return
		}
		out[open].To, out[open].Open, out[open].Class = at, false, map[bool]string{true: "good", false: "bad"}[ok]
		open = -1
	}
	steps, undos, checks := 0, 0, -1
	var last time.Time
	for _, e := range s.Events {
		switch e.Kind {
		case writ.EntryStepIntent:
			steps++
			begin("step "+strconv.Itoa(steps), e.Time)
		case writ.EntryUndoIntent:
			undos++
			begin("undo "+strconv.Itoa(undos), e.Time)
		case writ.EntryStepEffect, writ.EntryUndoEffect:
			end(e.Time, e.OK)
			last = e.Time
		case writ.EntryVerify:
			if checks < 0 {
				out = append(out, bar{Label: "checks", From: first(last, e.Time)})
				checks = len(out) - 1
			}
			out[checks].To, out[checks].Class = e.Time, map[bool]string{true: "good", false: "bad"}[e.OK]
		}
	}
	for i := range out {
		if out[i].Open && s.Ended != nil { // no effect will come any more
			out[i].To, out[i].Open, out[i].Class = *s.Ended, false, "bad"
		}
	}
	for _, l := range s.Leases {
		if l.NeverMinted {
			continue
		}
		b := bar{Label: "lease, with power", Class: "wait", From: l.MintedAt, To: later(l.MintedAt, now), Open: true}
		if l.PowerGone != nil {
			b.To, b.Open, b.Class = *l.PowerGone, false, "dim"
		}
		out = append(out, b)
		if l.PowerGone == nil {
			continue
		}
		b = bar{Label: "lease, identity", Class: "wait", From: *l.PowerGone, To: later(*l.PowerGone, now), Open: true}
		if l.IdentityGone != nil {
			b.To, b.Open, b.Class = *l.IdentityGone, false, "dim"
		}
		out = append(out, b)
	}
	return out
}

// later guards against a runner's clock that runs ahead of this one.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func first(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

func (d *door) runs(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	q := r.URL.Query()
	f := writ.RunFilter{State: writ.RunState(plain(q.Get("state"))), Cursor: plain(q.Get("cursor"))}
	runs, next, err := d.Runs.Runs(ctx, by, f)
	if err != nil {
		return view{}, err
	}
	return view{title: "Runs", data: listView[writ.RunStatus]{runs, string(f.State), more("/runs", string(f.State), next)}}, nil
}

func (d *door) stop(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParseRunID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	_, err = d.Runs.Stop(ctx, by, id, because)
	return "/runs/" + string(id), err
}

// settle takes a person's word on a step of an uncertain run. There is no third answer: who cannot tell, does not send.
func (d *door) settle(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParseRunID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	step, err := strconv.Atoi(f.Get("step"))
	as, ok := map[string]writ.Effect{"applied": writ.Applied, "not_applied": writ.NotApplied}[f.Get("as")]
	if err != nil || step < 1 || step > writ.MaxSteps || !ok {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "say of one step whether it is applied or not applied", Hint: "if you cannot tell, leave the run unsettled"}
	}
	_, err = d.Runs.Settle(ctx, by, id, step, as, because)
	return "/runs/" + string(id), err
}
