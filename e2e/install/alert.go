package install

import (
	"encoding/json"
	"maps"
	"testing"
	"time"
)

// An Alert is what a test wants to tell Alertmanager's receiver.
type Alert struct {
	Name, Service, Severity string
	Group                   string            // an incident is opened for each
	Labels                  map[string]string // besides those above
	Resolved                bool
}

// Webhook is what Alertmanager posts about an alert, in all its members.
func Webhook(t testing.TB, a Alert) []byte {
	t.Helper()
	labels := map[string]string{"alertname": a.Name, "environment": "prod", "service": a.Service, "severity": a.Severity}
	maps.Copy(labels, a.Labels)
	said := map[string]string{"summary": a.Name + " of " + a.Service}
	status, ends := "firing", "0001-01-01T00:00:00Z"
	if a.Resolved {
		status, ends = "resolved", time.Now().UTC().Format(time.RFC3339)
	}
	b, err := json.Marshal(map[string]any{
		"receiver": "writ", "status": status, "version": "4", "groupKey": a.Group, "truncatedAlerts": 0,
		"groupLabels": map[string]string{"alertname": a.Name, "service": a.Service}, "commonLabels": labels, "commonAnnotations": said,
		"externalURL": "http://alertmanager.example:9093",
		"alerts": []map[string]any{{
			"status": status, "labels": labels, "annotations": said, "startsAt": time.Now().UTC().Format(time.RFC3339Nano), "endsAt": ends,
			"generatorURL": "http://prometheus.example:9090/graph", "fingerprint": "9f86d081884c7d65",
		}},
	})
	must(t, err)
	return b
}
