package web

import (
	"net/http"
	"net/url"

	"github.com/writ-dev/writ"
)

// Whoever has no session at the approving origin is sent to the external URL with a challenge, logs in there if need be,
// and comes back with a code. The code is worth something once, within a minute, and in the browser that keeps the
// challenge's secret, as in RFC 7636: a link that somebody else made opens nothing.

// begin sends a browser to the external URL for a code.
func (d *door) begin(w http.ResponseWriter, r *http.Request) {
	challenge, kept, err := d.Approving.Entrance.Begin(r.URL.Query().Get("to"))
	if err != nil {
		d.fail(w, r, writ.Principal{}, err)
		return
	}
	http.SetCookie(w, kept)
	http.Redirect(w, r, d.ExternalURL+PathHandOver+"?"+url.Values{"challenge": {challenge}}.Encode(), http.StatusSeeOther)
}

// handOver gives a code to the browser of a person with a session at the external URL, for the approving origin alone.
func (d *door) handOver(w http.ResponseWriter, r *http.Request) {
	if d.Approving == nil {
		d.fail(w, r, writ.Principal{}, writ.ErrNotFound)
		return
	}
	by, ok := d.person(w, r)
	if !ok {
		return
	}
	code, err := d.Approving.Entrance.HandOver(r.Context(), r, by, r.URL.Query().Get("challenge"))
	if err != nil {
		d.fail(w, r, by, err)
		return
	}
	// A page that goes on by itself: a redirect would be part of the login's form, which form-action keeps on this origin.
	to := d.Approving.Origin + pathEntered + "?" + url.Values{"code": {code}}.Encode()
	w.Header().Set("Refresh", "0; url="+to)
	d.show(w, r, by, http.StatusOK, "handover", "", view{title: "On to approving", data: to})
}

// entered takes the code, opens the session, and goes on to the page that was asked for.
func (d *door) entered(w http.ResponseWriter, r *http.Request) {
	set, to, err := d.Approving.Entrance.Enter(r.Context(), r, r.URL.Query().Get("code"))
	if err != nil {
		d.fail(w, r, writ.Principal{}, err)
		return
	}
	for _, c := range set {
		http.SetCookie(w, c)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// leaveApproving ends the session at the approving origin alone.
func (d *door) leaveApproving(w http.ResponseWriter, r *http.Request) {
	gone, err := d.Approving.Entrance.Leave(r.Context(), r)
	if err != nil {
		d.fail(w, r, writ.Principal{}, err)
		return
	}
	for _, c := range gone {
		http.SetCookie(w, c)
	}
	d.show(w, r, writ.Principal{}, http.StatusOK, "left", "", view{title: "Logged out"})
}

// answerAt is where a passkey answers a plan that waits: a link without any authority. It is empty where none can.
func (d *door) answerAt(v planView) string {
	if d.Approving == nil || !v.Waiting || v.Moved {
		return ""
	}
	return d.Approving.Origin + "/approve/" + string(v.ID)
}
