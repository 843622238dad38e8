package authn_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
)

func TestARunnerShowsNoSVIDButItsOwn(t *testing.T) {
	home, evil := trustdomain.New(t, "corp.example"), trustdomain.New(t, "evil.example")
	const id = writ.RunnerID("spiffe://corp.example/runner/prod-eu1")
	fetch := func(address string, now time.Time) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := authn.FetchRunnerSVID(ctx, address, id, now)
		return err
	}
	own := home.Serve(t, "/runner/prod-eu1", time.Hour).Address()
	if err := fetch(own, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		address, why string
		now          time.Time
	}{
		"the same path in another trust domain": {evil.Serve(t, "/runner/prod-eu1", time.Hour).Address(), "gives one of spiffe://evil.example", time.Now()},
		"another runner":                        {home.Serve(t, "/runner/prod-eu10", time.Hour).Address(), "this runner is " + string(id), time.Now()},
		"an SVID that has ended":                {own, "was not renewed", time.Now().Add(2 * time.Hour)},
		"an address of another kind":            {"https://evil.example", "unix:///path", time.Now()},
	} {
		if err := fetch(x.address, x.now); err == nil || !strings.Contains(err.Error(), x.why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
