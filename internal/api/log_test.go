package api_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/api"
)

// A simulation of policy reads all decisions of a server's ledger by exporting it: that is on record.
func TestPitfall22ASimulationsExportIsLogged(t *testing.T) {
	c, log := logged(&fake{})
	h, err := api.Handler(c)
	if err != nil {
		t.Fatal(err)
	}
	if w := request(h, "human", "GET", "/v1/ledger/export", ""); w.Code != 200 || !strings.Contains(log.String(), "the ledger was exported") || !strings.Contains(log.String(), "human:") {
		t.Errorf("%d, logged %q", w.Code, log)
	}
	log.Reset()
	if w := request(h, "agent", "GET", "/v1/ledger/export", ""); w.Code != 403 || strings.Contains(log.String(), "exported") {
		t.Errorf("%d, logged %q", w.Code, log)
	}
}
