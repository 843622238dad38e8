package server

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"iter"
	"net/http"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/rota"
)

// onCall makes the on-call sources. Their tokens are read once, here.
func onCall(c config.Server) ([]control.OnCall, error) {
	people := rota.People(c.KnownPeople())
	var out []control.OnCall
	for i, o := range c.OnCall {
		x := control.OnCall{
			Group: o.Group, Kind: "ical", Fallback: o.Fallback,
			Every: cmp.Or(time.Duration(o.Every), config.DefEvery), MaxAge: cmp.Or(time.Duration(o.MaxAge), config.DefMaxAge),
		}
		x.MaxAge = max(x.MaxAge, x.Every)
		var err error
		if o.PagerDuty != nil {
			x.Kind = "pagerduty"
			x.Rota, err = pagerDuty(c, *o.PagerDuty, people)
		} else {
			x.Rota, err = iCal(c, *o.ICal, people)
		}
		if err != nil {
			return nil, fmt.Errorf("oncall[%d]: %w", i, err)
		}
		out = append(out, x)
	}
	return out, nil
}

// Bounds of examining a source: who is at the keyboard waits for it, and what counts is whether it says anything of now.
const (
	examineRota  = 15 * time.Second
	examineAhead = time.Hour
)

// examineOnCall asks each source once who is on call now.
func examineOnCall(ctx context.Context, c config.Server) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		sources, err := onCall(c)
		if err != nil {
			yield("on-call sources", err)
			return
		}
		for _, o := range sources {
			now := time.Now()
			asked, cancel := context.WithTimeout(ctx, examineRota)
			turns, err := o.Rota.Turns(asked, now, now.Add(examineAhead))
			cancel()
			n := 0
			for _, t := range turns {
				if !t.From.After(now) && now.Before(t.Until) {
					n++
				}
			}
			if !yield(fmt.Sprintf("on-call source of %s (%s): %d of the roster have the turn now", o.Group, o.Kind, n), err) {
				return
			}
		}
	}
}

func iCal(c config.Server, o config.OnCallCalendar, people rota.People) (control.Rota, error) {
	local, err := time.LoadLocation(cmp.Or(o.Zone, "UTC"))
	if err != nil {
		return nil, fmt.Errorf("%w: ical.zone must name a time zone, such as Europe/Berlin", writ.ErrInvalid)
	}
	if o.File != "" {
		return rota.NewFile(c.Path(o.File), local, people), nil
	}
	w := rota.Web{Header: http.Header{"Accept": {"text/calendar"}}}
	if w.Roots, err = rootsOf(c, o.CA); err != nil {
		return nil, fmt.Errorf("ical.ca: %w", err)
	}
	if o.TokenFile != "" {
		token, err := config.ReadSecret(c.Dir, o.TokenFile, pin.ReadFile)
		if err != nil {
			return nil, fmt.Errorf("ical.token_file: %w", err)
		}
		w.Header.Set("Authorization", "Bearer "+token)
	}
	address := o.URL
	if o.URLFile != "" {
		if address, err = config.ReadSecret(c.Dir, o.URLFile, pin.ReadFile); err != nil {
			return nil, fmt.Errorf("ical.url_file: %w", err)
		}
		if len(address) < len("https://x") || address[:len("https://")] != "https://" {
			return nil, fmt.Errorf("%w: ical.url_file must hold an address that begins with https://", writ.ErrInvalid)
		}
	}
	return rota.NewFeed(address, w, local, people), nil
}

func pagerDuty(c config.Server, o config.OnCallPagerDuty, people rota.People) (control.Rota, error) {
	roots, err := rootsOf(c, o.CA)
	if err != nil {
		return nil, fmt.Errorf("pagerduty.ca: %w", err)
	}
	token, err := config.ReadSecret(c.Dir, o.TokenFile, pin.ReadFile)
	if err != nil {
		return nil, fmt.Errorf("pagerduty.token_file: %w", err)
	}
	return rota.NewPagerDuty(o.URL, token, o.Schedules, rota.Web{Roots: roots}, people), nil
}

// rootsOf reads the certificates that vouch for a source; nil means the system's.
func rootsOf(c config.Server, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.Path(file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%w: it must hold certificates in PEM", writ.ErrInvalid)
	}
	return roots, nil
}

// fatigue is what the configuration says of it.
func fatigue(c *config.Fatigue) control.FatigueLimits {
	if c == nil {
		return control.FatigueLimits{}
	}
	return control.FatigueLimits{Shift: time.Duration(c.Shift), PerShift: c.PerShift, SuggestAfter: c.SuggestAfter}
}
