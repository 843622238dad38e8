package kubernetes_test

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/writ-dev/writ/internal/connector/connectortest"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

func TestTOC05AnEmptySelectionIsAnErrorInEveryOperation(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(s.Close)
	cfg := &rest.Config{Host: s.URL, BearerToken: "x"}
	c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: cfg, Read: rest.CopyConfig(cfg), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	connectortest.Selection(t, c, namespaced("x"), func() int { return int(asked.Load()) })
}
