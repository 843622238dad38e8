package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/storefront"
)

// A watch is a real Prometheus that scrapes the shop, and a real Alertmanager that posts to Writ.
type watch struct{ prometheus, alertmanager string }

const watchConfig = `global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%s]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: shop, metrics_path: /metrics, static_configs: [{targets: [%q]}]}]
`

const watchRules = `groups:
- name: shop
  rules:
  - alert: ErrorRate
    expr: shop_error_permille{service="%s"} >= 100
    labels: {severity: page, environment: prod}
    annotations: {summary: '{{ $value }} permille of requests fail'}
`

// watchRoute sends at once and tells of an end within a second or two.
const watchRoute = `route: {receiver: writ, group_by: [alertname, service], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
- name: writ
  webhook_configs:
  - url: %s/v1/intake/prometheus
    send_resolved: true
    http_config: {authorization: {credentials_file: %s}}
`

// foreign starts a program of the machine's that belongs to the test, and kills it when the test ends.
func (s *site) foreign(name string, args ...string) {
	s.t.Helper()
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		s.t.Fatalf("%s is not installed: apt-get install -y prometheus prometheus-alertmanager", name)
	}
	must(s.t, err)
	p := bed{writ: path}.launch(s.t, s.dir, name, args...)
	s.procs[name] = p
}

// watched starts both, with a token that the source prometheus has.
func (x *counter) watched(token string) watch {
	x.t.Helper()
	at := install.Addresses(x.t, 2)
	w := watch{"http://" + at[0], "http://" + at[1]}
	file := func(name, text string) string {
		path := filepath.Join(x.dir, name)
		must(x.t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	rules := file("rules.yml", fmt.Sprintf(watchRules, storefront.Checkout))
	conf := file("prometheus.yml", fmt.Sprintf(watchConfig, rules, at[1], strings.TrimPrefix(x.shop.AdminURL(), "http://")))
	route := file("alertmanager.yml", fmt.Sprintf(watchRoute, x.url, file("source-token", token)))
	x.foreign("prometheus-alertmanager", "--config.file", route, "--storage.path", filepath.Join(x.dir, "alerts"), "--web.listen-address", at[1], "--cluster.listen-address=")
	x.foreign("prometheus", "--config.file", conf, "--storage.tsdb.path", filepath.Join(x.dir, "series"), "--web.listen-address", at[0])
	for name, url := range map[string]string{"prometheus": w.prometheus, "prometheus-alertmanager": w.alertmanager} {
		await(x.t, name, func() (bool, string) {
			resp, err := http.Get(url + "/-/ready")
			if err != nil {
				return false, x.procs[name].tail()
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK, resp.Status
		})
	}
	return w
}

// A rule of a real Prometheus fires about a bad release; a real Alertmanager posts it with the source's token; agents read
// and repair; the alert ends, and with it the incident. Nothing of the test posts an alert.
func TestARealAlertEndsInARepairedTargetAndAClosedIncident(t *testing.T) {
	t.Parallel()
	x := prepareShop(t)
	token := strings.Repeat("0123456789abcdef", 4)
	secret := filepath.Join(filepath.Dir(x.in.Server), "prometheus.token")
	must(t, os.WriteFile(secret, []byte(token+"\n"), 0o600))
	x.edit(func(c *config.Server) {
		c.Intake = &config.Intake{Sources: []config.EventSource{{
			Name: "prometheus", Form: "alertmanager", TokenFiles: []string{"prometheus.token"},
			Services: map[string]string{storefront.Checkout: storefront.Checkout}, Severities: map[string]int{"page": 1},
		}}}
	})
	x.start()
	x.watched(token)
	must(t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline"))

	find := func(state writ.IncidentState) (writ.Incident, string) {
		for in, err := range x.person.Incidents(t.Context(), writ.IncidentFilter{State: state}) {
			if err != nil {
				return writ.Incident{}, err.Error()
			}
			if in.Source == "prometheus" {
				return in, ""
			}
		}
		return writ.Incident{}, "none of the source prometheus"
	}
	await(t, "the alert to open an incident", func() (bool, string) {
		in, why := find(writ.IncidentOpen)
		x.incident = in.ID
		return in.ID != "" && in.Service == storefront.Checkout && in.Severity == 1, why
	})
	x.look()
	a := x.ask("rollback-release", rollbackTo("v41"))
	if a.refuse || a.Plan == "" {
		t.Fatal(a.text)
	}
	if a.State == string(writ.PlanWaiting) {
		if r := x.approves(writ.PlanID(a.Plan)); r.code != 0 {
			t.Fatalf("%+v", r)
		}
	}
	if r := x.ends(writ.PlanID(a.Plan)); r.State != writ.RunSucceeded {
		t.Fatalf("%s: %s", r.State, r.Reason)
	}
	await(t, "the alert's end to close the incident", func() (bool, string) {
		in, why := find(writ.IncidentResolved)
		return in.ID == x.incident && in.ResolvedAt != nil, why
	})
	var states []writ.IncidentState
	for _, e := range x.entries(t) {
		if b, ok := e.Body.(*writ.IncidentBody); ok && b.Incident == x.incident {
			if b.Source != "prometheus" || b.Event.IsZero() {
				t.Errorf("an entry without its source and body: %+v", b)
			}
			states = append(states, b.State)
		}
	}
	if fmt.Sprint(states) != "[open resolved]" {
		t.Errorf("entries: %v", states)
	}
}
