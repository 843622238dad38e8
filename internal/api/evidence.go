package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
)

type observeIn struct {
	Body struct {
		Incident writ.IncidentID    `json:"incident"`
		Reader   writ.OperationName `json:"reader" doc:"a reader of a connector, such as kubernetes/workload.status"`
		Target   writ.Location      `json:"target" doc:"plane and target, such as kubernetes://prod-eu1"`
		With     writ.Parameters    `json:"with,omitempty" maxProperties:"64"`
	} `nameHint:"ReadingRequest"`
}

// A Reading is evidence with its bytes, which a connector has redacted.
type Reading struct {
	writ.Evidence
	Bytes []byte `json:"bytes"`
}

type readersIn struct {
	ID     string `path:"id"`
	Target string `query:"target" maxLength:"512" doc:"one target of the incident's service, such as kubernetes://prod-eu1; all of them without it"`
}

type readersOut struct{ Body Page[writ.ReaderText] }

type observeOut struct {
	Location string `header:"Location"`
	Body     Reading
}

type evidenceIn struct {
	ID string `path:"id"`
}

type evidenceOut struct{ Body Reading }

func (d *door) registerEvidence() {
	register(d, call{id: "list-readers", method: http.MethodGet, path: "/v1/incidents/{id}/readers", kinds: askers,
		summary: "Readers that observe can be asked for an open incident, with what each takes and tells"},
		func(ctx context.Context, by writ.Principal, in *readersIn) (*readersOut, error) {
			id, err := writ.ParseIncidentID(in.ID)
			if err != nil {
				return nil, err
			}
			var target writ.Location
			if in.Target != "" {
				if target, err = writ.ParseLocation(in.Target); err != nil {
					return nil, err
				}
			}
			items, err := d.Readings.Readers(ctx, by, id, target)
			return &readersOut{pageOf(items, "")}, err
		})
	const path = "/v1/evidence/"
	get := func(ctx context.Context, by writ.Principal, id string) (Reading, error) {
		ev, err := writ.ParseEvidenceID(id)
		if err != nil {
			return Reading{}, err
		}
		e, bytes, err := d.Readings.Evidence(ctx, by, ev)
		return reading(e, bytes), err
	}
	again := func(ctx context.Context, by writ.Principal, location string) (any, error) {
		return get(ctx, by, strings.TrimPrefix(location, path))
	}
	register(d, call{id: "observe", method: http.MethodPost, path: "/v1/evidence", kinds: askers, creates: true, again: again,
		body: strict, status: http.StatusCreated, summary: "Have a runner read one observation; waits up to 20 s"},
		func(ctx context.Context, by writ.Principal, in *observeIn) (*observeOut, error) {
			b := in.Body
			e, bytes, err := d.Readings.Observe(ctx, by, b.Incident, b.Reader, b.Target, b.With)
			return &observeOut{path + string(e.ID), reading(e, bytes)}, err
		})
	register(d, call{id: "get-evidence", method: http.MethodGet, path: "/v1/evidence/{id}", kinds: askers,
		summary: "One reading with its bytes"},
		func(ctx context.Context, by writ.Principal, in *evidenceIn) (*evidenceOut, error) {
			r, err := get(ctx, by, in.ID)
			return &evidenceOut{r}, err
		})
}

// An openedOut is a reading with the salt of its commitment.
type openedOut struct{ Body writ.EvidenceContent }

func (d *door) registerOpenedEvidence() {
	register(d, call{id: "open-evidence", method: http.MethodGet, path: "/v1/evidence/{id}/content", kinds: askers,
		summary: "One reading with its bytes and the salt of its commitment, to be verified offline"},
		func(ctx context.Context, by writ.Principal, in *evidenceIn) (*openedOut, error) {
			id, err := writ.ParseEvidenceID(in.ID)
			if err != nil {
				return nil, err
			}
			c, err := d.Readings.OpenedEvidence(ctx, by, id)
			if err != nil {
				return nil, err
			}
			return &openedOut{c}, nil
		})
}

func reading(e writ.Evidence, b []byte) Reading {
	if b == nil {
		b = []byte{}
	}
	return Reading{e, b}
}
