package web

import (
	"errors"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// A loginView is the development login.
type loginView struct {
	To    string // the page to go on to
	Wrong bool
	Other string // where people log in otherwise; empty if nowhere
}

// devForm shows the development login, which exists under --dev alone.
func (d *door) devForm(w http.ResponseWriter, r *http.Request) {
	if !d.Dev {
		d.nobody(w, r)
		return
	}
	d.show(w, r, writ.Principal{}, http.StatusOK, "login", "", view{title: "Development login", data: loginView{To: r.URL.Query().Get("to"), Other: d.LoginPath}})
}

// devLogin takes the key of writ init and opens a session.
func (d *door) devLogin(w http.ResponseWriter, r *http.Request) {
	if !d.Dev {
		d.fail(w, r, writ.Principal{}, writ.ErrNotFound)
		return
	}
	f, err := readForm(w, r)
	if err != nil {
		d.fail(w, r, writ.Principal{}, err)
		return
	}
	to := f.Get("to")
	c, err := d.Browser.DevLogin(r.Context(), r, f.Get("key"))
	if errors.Is(err, writ.ErrUnknownUser) {
		d.show(w, r, writ.Principal{}, http.StatusUnauthorized, "login", "", view{title: "Development login", data: loginView{To: to, Wrong: true, Other: d.LoginPath}})
		return
	}
	if err != nil {
		d.fail(w, r, writ.Principal{}, err)
		return
	}
	http.SetCookie(w, c)
	if !authn.IsPage(to) {
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// leave ends the session.
func (d *door) leave(w http.ResponseWriter, r *http.Request) {
	gone, err := d.Browser.Leave(r.Context(), r)
	if err != nil {
		d.fail(w, r, writ.Principal{}, err)
		return
	}
	for _, c := range gone {
		http.SetCookie(w, c)
	}
	d.show(w, r, writ.Principal{}, http.StatusOK, "left", "", view{title: "Logged out", data: loginView{Other: d.LoginPath}})
}
