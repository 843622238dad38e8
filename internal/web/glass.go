package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Glasses are uses of break-glass; people only. What ReviewBreakGlass and RepeatDrill report as done is durable.
type Glasses interface {
	BreakGlassOf(ctx context.Context, by writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error)
	BreakGlasses(ctx context.Context, by writ.Principal, state writ.BreakGlassState, limit int, cursor string) (all []writ.BreakGlass, next string, err error)
	ReviewBreakGlass(ctx context.Context, by writ.Principal, id writ.BreakGlassID, verdict writ.ReviewVerdict, note string) (writ.BreakGlass, error)
	RepeatDrill(ctx context.Context, by writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error)
}

// A glassesView is who used break-glass, and what is owed for it.
type glassesView struct {
	Open   []writ.BreakGlass // asked for, and not yet granted or over
	Owed   []writ.BreakGlass // of which a review is owed, the first due first
	Past   []writ.BreakGlass // one page of those that owe nothing any more, newest first
	Next   string
	AskAt  string                 // where a passkey asks; empty where none can
	Glance *writ.BreakGlassGlance // nil where there is no break-glass
}

func (d *door) glasses(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	v := glassesView{}
	var err error
	for state, into := range map[writ.BreakGlassState]*[]writ.BreakGlass{writ.BreakGlassAsked: &v.Open, writ.BreakGlassUsed: &v.Owed} {
		if *into, _, err = d.Glasses.BreakGlasses(ctx, by, state, writ.MaxPage, ""); err != nil {
			return view{}, err
		}
	}
	slices.SortStableFunc(v.Owed, func(a, b writ.BreakGlass) int { return due(a).Compare(due(b)) })
	past, next, err := d.Glasses.BreakGlasses(ctx, by, "", 0, plain(r.URL.Query().Get("cursor")))
	if err != nil {
		return view{}, err
	}
	for _, g := range past {
		if g.State != writ.BreakGlassAsked && g.State != writ.BreakGlassUsed {
			v.Past = append(v.Past, g)
		}
	}
	s, err := d.Overview.Status(ctx, by)
	if err != nil {
		return view{}, err
	}
	v.Next, v.Glance, v.AskAt = more("/breakglass", "", next), s.BreakGlass, d.askAt()
	overdue := 0
	for _, g := range v.Owed {
		if g.Overdue {
			overdue++
		}
	}
	said := count(len(v.Open), "use") + " open, " + count(len(v.Owed), "review") + " owed, " + number(overdue) + " overdue"
	return view{title: "Break-glass", said: said, data: v, slow: true}, nil
}

// due is by when the review of a use is owed.
func due(g writ.BreakGlass) time.Time {
	if g.ReviewDue == nil {
		return time.Time{}
	}
	return *g.ReviewDue
}

// askAt is where a passkey asks for break-glass: a link without any authority. It is empty where none can.
func (d *door) askAt() string {
	if d.Approving == nil {
		return ""
	}
	return d.Approving.Origin + "/breakglass"
}

// A glassView is one use.
type glassView struct {
	writ.BreakGlass
	Mine      bool // of whoever looks, who does not review it
	AnswerAt  string
	Repeating bool // a drill of theirs of which the other half, the refusal, is to come
}

func (d *door) glass(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	id, err := writ.ParseBreakGlassID(r.PathValue("id"))
	if err != nil {
		return view{}, writ.ErrNotFound
	}
	g, err := d.Glasses.BreakGlassOf(ctx, by, id)
	if err != nil {
		return view{}, err
	}
	me := writ.Person{Iss: by.Iss, Sub: by.Sub}
	v := glassView{BreakGlass: g, Mine: g.Asker.Same(by) || slices.Contains(g.Signers, me)}
	if d.Approving != nil && g.PlanState == writ.PlanWaiting {
		v.AnswerAt = d.Approving.Origin + "/approve/" + string(g.Plan)
	}
	v.Repeating = g.Drill && !g.Passed && g.Asker.Same(by) && g.RunState == writ.RunSucceeded
	return view{title: "Break-glass of " + short(g.Service), said: "break-glass " + word(g.State), data: v}, nil
}

// review takes a person's look back.
func (d *door) review(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParseBreakGlassID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	note := strings.ReplaceAll(strings.TrimSpace(f.Get("note")), "\r\n", "\n")
	if note == "" {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "a note is missing: what was found, for whoever reads this later", Hint: "go back and write it"}
	}
	_, err = d.Glasses.ReviewBreakGlass(ctx, by, id, writ.ReviewVerdict(f.Get("verdict")), note)
	return "/breakglass/" + string(id), err
}

// repeat uses a drill's ask a second time, which must be refused: the other half of the drill.
func (d *door) repeat(ctx context.Context, by writ.Principal, r *http.Request, _ form) (string, error) {
	id, err := writ.ParseBreakGlassID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	_, err = d.Glasses.RepeatDrill(ctx, by, id)
	return "/breakglass/" + string(id), err
}
