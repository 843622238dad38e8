package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	alerts "github.com/writ-dev/writ/internal/event"
)

// A call as Alertmanager 0.28 sends it.
const alertmanager = `{"receiver":"writ","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"HighErrorRate","service":"payments","severity":"critical"},
"annotations":{"summary":"4.1% of requests fail"},"startsAt":"2026-11-22T03:04:05.123456789+01:00","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom/graph","fingerprint":"c4e5a1b2d3f40516"}],
"groupLabels":{"alertname":"HighErrorRate"},"commonLabels":{"service":"payments"},"commonAnnotations":{},"externalURL":"http://am","version":"4","groupKey":"{}:{alertname=\"HighErrorRate\"}","truncatedAlerts":0,"newMember":null}`

func TestAlertmanagersOwnCallIsTaken(t *testing.T) {
	g, err := alerts.ParseAlertmanager([]byte(alertmanager))
	if err != nil {
		t.Fatal(err)
	}
	want := writ.AlertGroup{GroupKey: `{}:{alertname="HighErrorRate"}`, Status: "firing", Common: map[string]string{"service": "payments"},
		Alerts: []writ.Alert{{Fingerprint: "c4e5a1b2d3f40516", Name: "HighErrorRate", Status: "firing",
			StartsAt:    time.Date(2026, 11, 22, 2, 4, 5, 123e6, time.UTC),
			Labels:      map[string]string{"alertname": "HighErrorRate", "service": "payments", "severity": "critical"},
			Annotations: map[string]string{"summary": "4.1% of requests fail"}}}}
	if d := cmp.Diff(want, g); d != "" {
		t.Error(d)
	}
}

func TestAMalformedAlertIsOneSentenceAndChangesNothing(t *testing.T) {
	for name, c := range map[string]struct{ old, new, says string }{
		"version":       {`"version":"4"`, `"version":"5"`, "version"},
		"no version":    {`"version":"4",`, ``, "version"},
		"version as 4":  {`"version":"4"`, `"version":4`, "form"},
		"group key":     {`"groupKey":"{}:{alertname=\"HighErrorRate\"}"`, `"groupKey":""`, "groupKey"},
		"long key":      {`"groupKey":"{}`, `"groupKey":"` + strings.Repeat("k", 5000), "groupKey"},
		"status":        {`"status":"firing","alerts"`, `"status":"exploding","alerts"`, "status"},
		"alert status":  {`[{"status":"firing"`, `[{"status":""`, "alerts[0].status"},
		"fingerprint":   {`"fingerprint":"c4e5a1b2d3f40516"`, `"fingerprint":""`, "alerts[0].fingerprint"},
		"time":          {`"startsAt":"2026-11-22T03:04:05.123456789+01:00"`, `"startsAt":"yesterday"`, "form"},
		"no time":       {`"startsAt":"2026-11-22T03:04:05.123456789+01:00",`, ``, "alerts[0].startsAt"},
		"label value":   {`"severity":"critical"`, `"severity":"` + strings.Repeat("x", 9000) + `"`, "alerts[0].labels"},
		"label name":    {`"severity"`, `"` + strings.Repeat("x", 300) + `"`, "alerts[0].labels"},
		"many labels":   {`"severity":"critical"`, labels(65), "alerts[0].labels"},
		"annotation":    {`4.1%`, strings.Repeat("x", 9000), "alerts[0].annotations"},
		"common labels": {`"commonLabels":{"service":"payments"}`, `"commonLabels":{` + labels(65) + `}`, "commonLabels"},
		"no alerts":     {`"alerts":[`, `"alerts":[],"rest":[`, "alerts"},
		"not an object": {alertmanager, `[]`, "form"},
		"not JSON":      {alertmanager, `alert!`, "form"},
		"nothing":       {alertmanager, ` `, "form"},
		"not UTF-8":     {"4.1%", "\xff", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(alertmanager, c.old, c.new, 1)
			if body == alertmanager {
				t.Fatal("the case changes nothing")
			}
			f := &fake{}
			w := request(handler(t, f), "source", "POST", "/v1/alerts/alertmanager", body)
			p := wantProblem(t, w, 422, writ.ReasonForm)
			if !strings.HasPrefix(p.Detail, "alertmanager webhook: ") || !strings.Contains(p.Detail, c.says) || strings.Contains(p.Detail, "\n") || len(p.Detail) > 300 {
				t.Errorf("says %q", p.Detail)
			}
			if len(f.Calls()) > 0 {
				t.Errorf("the control plane was reached: %v", f.Calls())
			}
		})
	}
}

func labels(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"l%d":""`, i))
	}
	return strings.Join(all, ",")
}

func TestAGroupHasAtMostFiveHundredAlerts(t *testing.T) {
	one := alertmanager[strings.Index(alertmanager, `{"status":"firing","labels"`) : strings.Index(alertmanager, "}],")+1]
	with := func(n int) []byte {
		return []byte(strings.Replace(alertmanager, one, strings.TrimSuffix(strings.Repeat(one+",", n), ","), 1))
	}
	if g, err := alerts.ParseAlertmanager(with(alerts.MaxAlerts)); err != nil || len(g.Alerts) != alerts.MaxAlerts {
		t.Errorf("%d alerts: %d, %v", alerts.MaxAlerts, len(g.Alerts), err)
	}
	if _, err := alerts.ParseAlertmanager(with(alerts.MaxAlerts + 1)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("%d alerts: %v", alerts.MaxAlerts+1, err)
	}
}

func FuzzParseAlertmanager(f *testing.F) {
	f.Add([]byte(alertmanager))
	f.Add([]byte(hook))
	f.Add([]byte(`{"version":"4","groupKey":"k","status":"resolved","alerts":[null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := alerts.ParseAlertmanager(b)
		if err != nil {
			if r, ok := errors.AsType[*writ.Refusal](err); !ok || !errors.Is(err, writ.ErrInvalid) || len(r.Detail) > 2000 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if g.GroupKey == "" || len(g.Alerts) == 0 || len(g.Alerts) > alerts.MaxAlerts {
			t.Fatalf("accepted %+v", g)
		}
		for _, a := range g.Alerts {
			if a.Fingerprint == "" || a.StartsAt.IsZero() || a.Status != "firing" && a.Status != "resolved" || len(a.Labels) > 64 || len(a.Annotations) > 64 {
				t.Fatalf("accepted %+v", a)
			}
		}
	})
}

func BenchmarkParseAlertmanager(b *testing.B) {
	for b.Loop() {
		if _, err := alerts.ParseAlertmanager([]byte(alertmanager)); err != nil {
			b.Fatal(err)
		}
	}
}
