package server

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/veto"
)

// newVeto makes what asks the external decision point, or nil if none is configured.
func newVeto(c config.Server) (control.Veto, error) {
	if c.Veto == nil {
		return nil, nil
	}
	v := veto.Config{URL: c.Veto.URL, Timeout: time.Duration(c.Veto.Timeout)}
	if c.Veto.CA != "" {
		b, err := os.ReadFile(c.Path(c.Veto.CA))
		if err != nil {
			return nil, fmt.Errorf("%w: veto.ca: %w", writ.ErrInvalid, err)
		}
		if v.Roots = x509.NewCertPool(); !v.Roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%w: veto.ca must hold certificates in PEM", writ.ErrInvalid)
		}
	}
	if c.Veto.TokenFile != "" {
		b, err := pin.ReadFile(c.Path(c.Veto.TokenFile))
		if err != nil {
			return nil, fmt.Errorf("veto.token_file: %w", err)
		}
		v.Token = strings.TrimSpace(string(b))
	}
	return External(veto.New(v)), nil
}

// External puts the control plane's question in the form of the API.
func External(c *veto.Client) control.Veto { return external{c} }

type external struct{ client *veto.Client }

func (e external) Permits(ctx context.Context, q control.VetoQuestion) (bool, error) {
	kind := "agent"
	if q.Subject.Kind == writ.KindHuman {
		kind = "person"
	}
	return e.client.Permits(ctx, veto.Question{
		Subject:  veto.Entity{Type: kind, ID: q.Subject.Iss + "|" + q.Subject.Sub},
		Action:   veto.Action{Name: q.Action()},
		Resource: veto.Entity{Type: "service", ID: q.Service},
		Context:  map[string]any{"incident": q.Incident, "plan": q.Plan, "plan_digest": q.Digest, "facts": q.Facts},
	})
}
