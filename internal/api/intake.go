package api

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/event"
)

// PathIntake begins the paths of configured sources: POST /v1/intake/NAME.
const PathIntake = "/v1/intake/"

// An Intake is what the door of configured event sources needs.
type Intake struct {
	Sources map[string]event.Source // by name
	Issuer  string                  // of the sources' identities
	Alerts  Alerts
	Log     *slog.Logger
	Now     func() time.Time // decides whether a signature is fresh
}

// IntakeHandler is the door of configured event sources. A call says who it is by its path alone; then it has to prove it
// in the one way that is configured. What is not proven is not parsed.
func IntakeHandler(in Intake) (http.Handler, error) {
	if in.Alerts == nil || in.Log == nil || in.Now == nil || in.Issuer == "" {
		return nil, fmt.Errorf("%w: intake: alerts, log, clock and issuer are needed", writ.ErrInvalid)
	}
	d := &door{Config: Config{Log: in.Log, Now: time.Now, Rand: rand.Reader}} // the clock of socket deadlines
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathIntake+"{source}", func(w http.ResponseWriter, r *http.Request) {
		i, err := in.take(d, w, r)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		writeJSON(d, w, r, taken{i.ID, i.State})
	})
	return d.around(d.known(mux)), nil
}

// taken is the answer. Without an incident the event changed nothing.
type taken struct {
	Incident writ.IncidentID    `json:"incident,omitempty"`
	State    writ.IncidentState `json:"state,omitempty"`
}

// single gives what a header says when it stands once: of two, a proxy may have judged the other.
func single(h http.Header) func(name string) string {
	return func(name string) string {
		if all := h.Values(name); len(all) == 1 {
			return all[0]
		}
		return ""
	}
}

func (in Intake) take(d *door, w http.ResponseWriter, r *http.Request) (writ.Incident, error) {
	s, ok := in.Sources[r.PathValue("source")]
	if !ok {
		return writ.Incident{}, &writ.Refusal{
			Code: writ.ReasonNotFound, Kind: writ.ErrNotFound, Detail: "there is no event source of this name; sources are configured under intake.sources",
		}
	}
	wire := http.NewResponseController(w)
	_ = wire.SetReadDeadline(d.Now().Add(bodyTime)) // recorders have none
	_ = wire.SetWriteDeadline(d.Now().Add(answerTime))
	body, err := readBody(w, r, event.MaxBody)
	_ = wire.SetReadDeadline(time.Time{})
	if err != nil {
		return writ.Incident{}, err
	}
	now := in.Now()
	call := event.Call{Header: single(r.Header), Body: body, Now: now}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		call.Cert = r.TLS.VerifiedChains[0][0]
	}
	signed, err := s.Prove(call)
	if err != nil {
		return writ.Incident{}, err
	}
	e, err := s.Read(body, call.Header)
	if err != nil {
		return writ.Incident{}, err
	}
	var at time.Time
	if s.Signs() {
		if err := s.Fresh(e.At, now); err != nil {
			return writ.Incident{}, err
		}
		at = e.At
	}
	if e.Other {
		return writ.Incident{}, nil
	}
	e.Group.GroupKey = s.Name + ":" + e.Group.GroupKey
	e.Group.Intake = &writ.Intake{Source: s.Name, Body: writ.DigestOf(body), Event: e.ID, Keep: s.Keep(now), At: at}
	if signed != "" {
		e.Group.Intake.Event = signed
	}
	return in.Alerts.Alert(r.Context(), writ.Principal{Kind: writ.KindService, Iss: in.Issuer, Sub: "source/" + s.Name}, e.Group)
}
