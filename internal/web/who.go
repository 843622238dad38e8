package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/eventstream"
)

// person returns who sees the page, or answers the request: nobody is sent to the login, and whoever is no person is
// refused. A bearer token opens no page, whoever holds it: pages are for a browser, and programs have the API.
func (d *door) person(w http.ResponseWriter, r *http.Request) (writ.Principal, bool) {
	by, err := d.Auth.Principal(r.Context(), r)
	if len(r.Header.Values("Authorization")) > 0 {
		d.noPerson(w, r, by)
		return writ.Principal{}, false
	}
	switch {
	case errors.Is(err, writ.ErrUnknownUser), err == nil && !by.Valid():
		d.nobody(w, r)
		return writ.Principal{}, false
	case err != nil:
		d.fail(w, r, writ.Principal{}, err)
		return writ.Principal{}, false
	case by.Kind != writ.KindHuman:
		d.noPerson(w, r, by)
		return writ.Principal{}, false
	}
	return by, true
}

// noPerson refuses, and has it recorded when a known principal tried to do something.
func (d *door) noPerson(w http.ResponseWriter, r *http.Request, by writ.Principal) {
	if by.Valid() && r.Method != http.MethodGet && r.Method != http.MethodHead {
		d.Denials.Denied(r.Context(), "page", by, writ.ReasonKind, "")
	}
	d.fail(w, r, writ.Principal{}, &writ.Refusal{
		Code: writ.ReasonKind, Detail: "pages are for people with a browser's session, and take no bearer token", Hint: "programs use the API under /v1, agents the tools under /mcp",
	})
}

// nobody sends a browser to the login and then back to the page it asked for. What cannot be repeated, and what no login
// helps, gets a page that says so.
func (d *door) nobody(w http.ResponseWriter, r *http.Request) {
	to := d.LoginPath
	if d.Dev && d.enter == "" {
		to = PathDevLogin
	}
	if to == "" || r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Accept") == eventstream.ContentType {
		d.fail(w, r, writ.Principal{}, writ.ErrUnknownUser)
		return
	}
	back := r.URL.RequestURI()
	if back != "/" {
		to += "?" + url.Values{"to": {back}}.Encode()
	} else if !d.Dev {
		to += "?to=%2F"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
