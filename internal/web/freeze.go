package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
)

// A freezeView is what is frozen, and the form that freezes.
type freezeView struct{ Items []writ.Freeze }

func (d *door) freezes(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	s, err := d.Overview.Status(ctx, by)
	return view{title: "Freeze", data: freezeView{s.Freezes}}, err
}

// freeze stops. A form that was sent twice stops once.
func (d *door) freeze(ctx context.Context, by writ.Principal, _ *http.Request, f form) (string, error) {
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	scope, value := writ.FreezeScope(f.Get("scope")), strings.TrimSpace(f.Get("value"))
	if scope == writ.FreezeAll {
		value = "" // the field is there for the others, and a hurried hand must not be stopped by it
	}
	s, err := d.Overview.Status(ctx, by)
	if err == nil { // without an answer it is frozen all the same
		for _, z := range s.Freezes {
			if z.Scope == scope && (z.Value == value || z.Named != "" && z.Named == value) {
				return "/freeze", nil
			}
		}
	}
	_, err = d.Freezes.Freeze(ctx, by, scope, value, because)
	return "/freeze", err
}

func (d *door) lift(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParseFreezeID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	_, err = d.Freezes.Unfreeze(ctx, by, id, because)
	return "/freeze", err
}
