package api_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/api/apitest"
)

const (
	ulid         = apitest.ULID
	planID       = apitest.PlanID
	runID        = apitest.RunID
	incident     = apitest.IncidentID
	evidence     = apitest.EvidenceID
	freezeID     = apitest.FreezeID
	handOffID    = apitest.HandOffID
	sessionID    = apitest.SessionID
	passkeyID    = apitest.PasskeyID
	glassID      = apitest.BreakGlassID
	changeID     = apitest.ChangeID
	delegationID = apitest.DelegationID
)

var (
	digest = apitest.Digest
	at     = apitest.At
	agent  = apitest.Agent
	human  = apitest.Human
)

type fake = apitest.Control

func handler(t testing.TB, f *fake) http.Handler {
	t.Helper()
	return serves(t, apitest.Config(f))
}

func serves(t testing.TB, c api.Config) http.Handler {
	t.Helper()
	h, err := api.Handler(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// request is one call: headers are "Name: value" lines.
func request(h http.Handler, who, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, b)
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func logged(f *fake) (api.Config, *bytes.Buffer) {
	var b bytes.Buffer
	c := apitest.Config(f)
	c.Log = slog.New(slog.NewTextHandler(&b, nil))
	return c, &b
}
