package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
)

// An enrolView is a person's own passkeys, and those of others that wait for a second person.
type enrolView struct {
	Own, Waiting []writ.Passkey
}

func (d *door) enrol(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	all, err := d.Approving.Passkeys.Passkeys(ctx, by)
	if err != nil {
		return view{}, err
	}
	var v enrolView
	for _, p := range all {
		switch own := p.Person.Principal().Same(by); {
		case own && p.State != writ.PasskeyRemoved:
			v.Own = append(v.Own, p)
		case !own && p.State == writ.PasskeyPending:
			v.Waiting = append(v.Waiting, p)
		}
	}
	return view{title: "Passkeys", data: v}, nil
}

func (d *door) beginPasskey(ctx context.Context, by writ.Principal, _ *http.Request, body []byte) (any, error) {
	if err := parseCall(body, &struct{}{}); err != nil {
		return nil, err
	}
	return d.Approving.Passkeys.BeginPasskey(ctx, by)
}

func (d *door) addPasskey(ctx context.Context, by writ.Principal, _ *http.Request, body []byte) (any, error) {
	var in writ.Registration
	if err := parseCall(body, &in); err != nil {
		return nil, err
	}
	p, err := d.Approving.Passkeys.AddPasskey(ctx, by, in)
	return map[string]string{"fingerprint": p.Fingerprint}, err
}

// setPasskey confirms with the fingerprint that the owner told, or removes. The page shows nobody else's fingerprint, so
// that it cannot be copied from there.
func (d *door) setPasskey(to writ.PasskeyState) doer {
	return func(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
		id, err := writ.ParsePasskeyID(r.PathValue("id"))
		if err != nil {
			return "", writ.ErrNotFound
		}
		_, err = d.Approving.Passkeys.SetPasskey(ctx, by, id, to, strings.TrimSpace(f.Get("fingerprint")))
		return "/enrol", err
	}
}
