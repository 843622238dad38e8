package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/connectortest"
)

func TestTOC05AnEmptySelectionIsAnErrorInEveryOperation(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(s.Close)
	x := connect(t, config(t, shop(t), s.URL))
	connectortest.Selection(t, x, []writ.Location{"httpapi://shop/services"}, func() int { return int(asked.Load()) })
}
