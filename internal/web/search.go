package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// A searchView is a search of the ledger: what was asked for, and what was found.
type searchView struct {
	Kinds                               []string
	Kind, Incident, Actor, Since, Until string
	Asked                               bool
	Wrong                               string // why the search could not be made
	Events                              []writ.Event
	Next                                string // address of the next page
}

// searchForms are the forms of time that a browser or a person gives; all are UTC.
var searchForms = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02"}

// search reads the query of the ledger's page.
func (d *door) search(ctx context.Context, by writ.Principal, r *http.Request) (searchView, error) {
	q := r.URL.Query()
	v := searchView{Kind: q.Get("kind"), Incident: q.Get("incident"), Actor: q.Get("actor"), Since: q.Get("since"), Until: q.Get("until")}
	for k := range writ.EntryBodies {
		v.Kinds = append(v.Kinds, string(k))
	}
	slices.Sort(v.Kinds)
	if v.Asked = v.Kind+v.Incident+v.Actor+v.Since+v.Until != ""; !v.Asked {
		return v, nil
	}
	f := writ.EntryFilter{Kind: writ.EntryKind(v.Kind), Actor: v.Actor, Limit: pageEntries, Cursor: q.Get("cursor")}
	var err error
	if v.Incident != "" {
		if f.Incident, err = writ.ParseIncidentID(v.Incident); err != nil {
			v.Wrong = "An incident is named by its id: inc_ and 26 characters."
			return v, nil
		}
	}
	for _, x := range [2]struct {
		text string
		to   *time.Time
	}{{v.Since, &f.Since}, {v.Until, &f.Until}} {
		if x.text == "" {
			continue
		}
		if *x.to, err = instant(x.text); err != nil {
			v.Wrong = "A time is written as 2026-11-22T03:11, in UTC."
			return v, nil
		}
	}
	found, next, err := d.Ledger.SearchLedger(ctx, by, f)
	if writ.ReasonOf(err) == writ.ReasonForm {
		v.Wrong = long(err.Error())
		return v, nil
	}
	if err != nil {
		return v, err
	}
	if v.Events = found; next != "" {
		more := url.Values{"cursor": {next}}
		for name, s := range map[string]string{"kind": v.Kind, "incident": v.Incident, "actor": v.Actor, "since": v.Since, "until": v.Until} {
			if s != "" {
				more.Set(name, s)
			}
		}
		v.Next = "/ledger?" + more.Encode()
	}
	return v, nil
}

// instant parses a time of the search.
func instant(s string) (t time.Time, err error) {
	for _, form := range searchForms {
		if t, err = time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return t, err
}
