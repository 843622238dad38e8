package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/writ-dev/writ"
)

// readyTimeout bounds a readiness check.
const readyTimeout = 2 * time.Second

// maxUnsigned is how many entries may wait for the signer before the control plane calls itself not ready: without
// signatures no runner acts.
const maxUnsigned = 1000

// admin serves health and metrics on a loopback address of its own.
func (s *Server) admin() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.deaths, s.notices)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &gauges{s})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	st, err := s.Control.Glance(ctx)
	out := map[string]any{"ready": true}
	switch {
	case err != nil:
		out = map[string]any{"ready": false, "because": "the store does not answer"}
	case st.LedgerSize-st.Signed > maxUnsigned:
		out = map[string]any{"ready": false, "because": "the signer does not keep up"}
	}
	w.Header().Set("Content-Type", "application/json")
	if out["ready"] != true {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(out)
}

// gauges reads the metrics from the store when they are asked for.
type gauges struct{ s *Server }

var (
	descIncidents = prometheus.NewDesc("writ_incidents_open", "Open incidents.", nil, nil)
	descWaiting   = prometheus.NewDesc("writ_plans_waiting", "Plans that wait for people.", nil, nil)
	descRunning   = prometheus.NewDesc("writ_runs_active", "Runs granted or running.", nil, nil)
	descLeases    = prometheus.NewDesc("writ_leases_alive", "Leases minted and not yet proven dead.", nil, nil)
	descFreezes   = prometheus.NewDesc("writ_freezes", "Freezes in force.", nil, nil)
	descEntries   = prometheus.NewDesc("writ_ledger_entries", "Ledger entries committed.", nil, nil)
	descSigned    = prometheus.NewDesc("writ_ledger_signed_entries", "Ledger entries under a signed checkpoint.", nil, nil)
	descDebts     = prometheus.NewDesc("writ_lease_debts", "Leases of a runner that could not be proven dead in time; it gets no new grants while there is one.", []string{"runner"}, nil)
	descSilent    = prometheus.NewDesc("writ_runner_silent", "1 while nothing is heard of a runner and leases of its runs are alive.", []string{"runner"}, nil)
	descFailing   = prometheus.NewDesc("writ_notice_channel_failing", "1 while the last attempt to tell somebody by a channel failed.", []string{"channel"}, nil)
	descPolicyBad = prometheus.NewDesc("writ_policy_refused", "1 while the newest policy set could not be put in force, and the one before it is.", nil, nil)
	descPolicy    = prometheus.NewDesc("writ_policy_version", "Version of the signed policy set in force, 0 for an unsigned one.", nil, nil)
	descRunner    = prometheus.NewDesc("writ_runner_last_seen_seconds", "Seconds since a runner asked for work.", []string{"runner"}, nil)
)

func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descIncidents, descWaiting, descRunning, descLeases, descFreezes, descEntries, descSigned, descRunner, descDebts, descSilent, descFailing, descPolicyBad, descPolicy} {
		ch <- d
	}
}

func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	st, err := g.s.Control.Glance(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descEntries, writ.ErrUnavailable)
		return
	}
	for d, v := range map[*prometheus.Desc]float64{
		descIncidents: float64(st.Incidents), descWaiting: float64(st.Waiting), descRunning: float64(st.Running),
		descLeases: float64(st.LeasesAlive), descFreezes: float64(len(st.Freezes)), descEntries: float64(st.LedgerSize), descSigned: float64(st.Signed),
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	for _, x := range st.Channels {
		failing := 0.0
		if x.Failing {
			failing = 1
		}
		ch <- prometheus.MustNewConstMetric(descFailing, prometheus.GaugeValue, failing, x.Name)
	}
	refused := 0.0
	if st.PolicyProblem != "" {
		refused = 1
	}
	ch <- prometheus.MustNewConstMetric(descPolicyBad, prometheus.GaugeValue, refused)
	ch <- prometheus.MustNewConstMetric(descPolicy, prometheus.GaugeValue, float64(st.PolicyVersion))
	for _, r := range st.Runners {
		silent := 0.0
		if r.Silent {
			silent = 1
		}
		ch <- prometheus.MustNewConstMetric(descSilent, prometheus.GaugeValue, silent, string(r.ID))
		ch <- prometheus.MustNewConstMetric(descDebts, prometheus.GaugeValue, float64(len(r.Debts)), string(r.ID))
		if r.LastSeen != nil {
			ch <- prometheus.MustNewConstMetric(descRunner, prometheus.GaugeValue, time.Since(*r.LastSeen).Seconds(), string(r.ID))
		}
	}
}

// newDeaths is the histogram of how long leases took to die, from the start of their revocation by their runner's clock.
// Buckets reach from the milliseconds of a binding's deletion over the seconds for which an API server remembers a token
// to the limit at which a lease is a debt.
func newDeaths() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "writ_lease_dead_seconds", Help: "Time from the end of a run, when the revocation of its lease begins, until power and identity were refused.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 12.5, 15, 20, 30, 60, 300},
	}, []string{"what"})
}
