package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// longGap is how long nothing must have happened for the time line to show a gap as a gap.
const longGap = 5 * time.Minute

// maxTimeline bounds the entries of one page; the newest are shown, and the command line has all.
const maxTimeline = 300

// An incidentView is one incident in order.
type incidentView struct {
	writ.IncidentStatus
	Rows  []moment
	Said  []noteView
	Actor string // only entries of this kind of actor; empty for all
	Cut   int    // older entries that are not shown
	Kinds []writ.Kind
	AskAt string // where a passkey asks for break-glass on it; empty where none can
}

// A moment is one entry with how long nothing happened before it.
type moment struct {
	writ.Event
	Gap time.Duration // 0 when it is short
}

// Quiet says how long nothing happened.
func (m moment) Quiet() string {
	if m.Gap == 0 {
		return ""
	}
	return span(m.Gap)
}

func (d *door) incident(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	id, err := writ.ParseIncidentID(r.PathValue("id"))
	if err != nil {
		return view{}, writ.ErrNotFound
	}
	s, err := d.Incidents.Incident(ctx, by, id)
	if err != nil {
		return view{}, err
	}
	v := incidentView{IncidentStatus: s, Said: notesOf(s.Notes), Actor: plain(r.URL.Query().Get("actor")), Kinds: []writ.Kind{writ.KindAgent, writ.KindHuman, writ.KindRunner, writ.KindService}}
	if s.State == writ.IncidentOpen {
		v.AskAt = d.askAt()
	}
	if !slices.Contains(v.Kinds, writ.Kind(v.Actor)) {
		v.Actor = ""
	}
	var before time.Time
	for _, e := range s.Timeline {
		if v.Actor != "" && string(e.Actor.Kind) != v.Actor {
			continue
		}
		m := moment{Event: e}
		if gap := e.Time.Sub(before); !before.IsZero() && gap >= longGap {
			m.Gap = gap
		}
		before = e.Time
		v.Rows = append(v.Rows, m)
	}
	if len(v.Rows) > maxTimeline {
		v.Cut = len(v.Rows) - maxTimeline
		v.Rows = v.Rows[v.Cut:]
	}
	return view{title: "Incident: " + long(s.Title), said: "incident " + word(s.State), data: v, slow: true}, nil
}

func (d *door) incidents(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	q := r.URL.Query()
	f := writ.IncidentFilter{State: writ.IncidentState(plain(q.Get("state"))), Cursor: plain(q.Get("cursor"))}
	found, next, err := d.Incidents.Incidents(ctx, by, f)
	if err != nil {
		return view{}, err
	}
	return view{title: "Incidents", data: listView[writ.Incident]{found, string(f.State), more("/incidents", string(f.State), next)}}, nil
}

// undo asks for plans that put the incident's runs back. Each is decided, and approved, like any other.
func (d *door) undo(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParseIncidentID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	ask := writ.UndoAsk{Because: because}
	if run := f.Get("run"); run != "" { // from the page of a run: the oldest to be put back
		if ask.Run, err = writ.ParseRunID(run); err != nil {
			return "", writ.ErrNotFound
		}
	}
	_, err = d.Incidents.Undo(ctx, by, id, ask)
	return "/incidents/" + string(id), err
}
