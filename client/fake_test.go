package client_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/api/apitest"
)

const (
	ulid     = apitest.ULID
	incident = apitest.IncidentID
	evidence = apitest.EvidenceID
	runner   = apitest.RunnerID
)

var (
	at     = apitest.At
	digest = apitest.Digest
	human  = apitest.Human
)

type fake = apitest.Control

// failing answers its next calls with errors.
func failing(errs ...error) *fake {
	f := &fake{}
	f.Errs = errs
	return f
}

// start serves the real API over f and returns a person's client of it. wrap, if not nil, stands between them.
func start(t *testing.T, f *fake, wrap func(http.Handler) http.Handler) *client.Client {
	t.Helper()
	return startAs(t, f, wrap, client.Config{Token: client.Static("human")})
}

func startAs(t *testing.T, f *fake, wrap func(http.Handler) http.Handler, config client.Config) *client.Client {
	t.Helper()
	h, err := api.Handler(apitest.Config(f))
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL+"/", config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
