package writ_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

func TestI20AnIssuedGrantThatIsPrintedShowsNoToken(t *testing.T) {
	g := writ.IssuedGrant{Token: "eyJ.secret.sig", Grant: "gnt_1", Plan: "pln_1", Run: "run_1", Expires: time.Unix(1, 0)}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %v", g, g, g, g, []any{g, &g})
	slog.New(slog.NewTextHandler(&out, nil)).Info("issued", "grant", g)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("issued", "grant", g)
	if strings.Contains(out.String(), "secret") || !strings.Contains(out.String(), "gnt_1") {
		t.Error(out.String())
	}
}
