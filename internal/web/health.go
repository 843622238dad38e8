package web

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// maxLag is how many entries may wait for the signer before the page says that the ledger lags: as readiness does, far
// less than it takes, since no runner acts meanwhile.
const maxLag = 100

// A healthView is whether Writ can be trusted now.
type healthView struct {
	writ.Status
	Lag  int64 // entries that wait for the signer
	Lags bool
	Good bool // nothing on this page needs anybody
}

func (d *door) health(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	s, err := d.Overview.Status(ctx, by)
	if err != nil {
		return view{}, err
	}
	v := healthView{Status: s, Lag: s.LedgerSize - s.Signed}
	v.Lags = v.Lag > maxLag
	v.Good = !v.Lags && len(s.Unsettled) == 0 && len(s.Freezes) == 0
	for _, r := range s.Runners {
		v.Good = v.Good && len(r.Debts) == 0 && !r.Silent && r.LastSeen != nil && (r.Clock == nil || !r.Clock.Wrong())
	}
	for _, r := range s.Replicas {
		v.Good = v.Good && !r.Clock.Wrong()
	}
	for _, x := range s.Channels {
		v.Good = v.Good && !x.Failing
	}
	if g := s.BreakGlass; g != nil {
		v.Good = v.Good && g.Open == 0 && len(g.Owed) == 0 && !g.Late
	}
	for _, u := range s.Upstreams {
		v.Good = v.Good && len(u.Changed) == 0
	}
	v.Good = v.Good && s.PolicyProblem == "" && len(s.OnCall) == 0
	said := "nothing needs anybody"
	if !v.Good {
		said = "something needs somebody"
	}
	return view{title: "Health", said: said, data: v, slow: true}, nil
}

// testNotice sends whoever asks a notice that is marked as a test. Its page shows what became of it.
func (d *door) testNotice(ctx context.Context, by writ.Principal, _ *http.Request, f form) (string, error) {
	_, err := d.Overview.TestNotice(ctx, by, f.Get("channel"))
	return "/health", err
}
