package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
)

// Limits of a webhook call. They are far above what a person can look at and below what a store should keep.
const (
	MaxAlerts     = 500  // of one group
	maxLabels     = 64   // of one set; Prometheus' own default limit is lower
	maxLabelName  = 256  // bytes
	maxLabelValue = 8192 // bytes; annotations carry sentences
	maxGroupKey   = 4096 // bytes; it spells out the route and the grouping labels
	maxPrint      = 64   // bytes of a fingerprint, which has 16 digits
)

// A webhook is Alertmanager's webhook version 4, with the members that are read. Unlike everywhere else unknown members
// are ignored: Alertmanager adds some with its releases, and an alert must not be lost over that.
type webhook struct {
	Version  string            `json:"version"`
	GroupKey string            `json:"groupKey"`
	Status   string            `json:"status"`
	Common   map[string]string `json:"commonLabels"`
	Alerts   []webhookAlert    `json:"alerts"`
}

type webhookAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// ParseAlertmanager checks one webhook call whole before anything is done with it. The error is one sentence that names
// the member and the rule.
func ParseAlertmanager(b []byte) (writ.AlertGroup, error) {
	bad := func(format string, args ...any) (writ.AlertGroup, error) {
		return writ.AlertGroup{}, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "alertmanager webhook: " + fmt.Sprintf(format, args...)}
	}
	if len(b) > MaxBody || !utf8.Valid(b) {
		return bad("the body must be UTF-8 of at most %d bytes", MaxBody)
	}
	var w webhook
	if err := json.Unmarshal(b, &w); err != nil {
		return bad("the body is not JSON of the expected form: %s", writ.Printable(err.Error(), 160))
	}
	switch {
	case !onceEach(b):
		return bad("each member must stand once, at most %d deep", maxDepth)
	case w.Version != "4":
		return bad(`version must be "4"`)
	case w.GroupKey == "" || len(w.GroupKey) > maxGroupKey:
		return bad("groupKey must have 1 to %d bytes", maxGroupKey)
	case !alertStatus(w.Status):
		return bad("status must be firing or resolved")
	case len(w.Alerts) == 0 || len(w.Alerts) > MaxAlerts:
		return bad("there must be 1 to %d alerts, not %d; max_alerts in Alertmanager's webhook_configs keeps to it", MaxAlerts, len(w.Alerts))
	}
	if what := labelFault(w.Common); what != "" {
		return bad("commonLabels: %s", what)
	}
	g := writ.AlertGroup{GroupKey: shortKey(w.GroupKey), Status: w.Status, Common: w.Common}
	for n, a := range w.Alerts {
		switch {
		case !alertStatus(a.Status):
			return bad("alerts[%d].status must be firing or resolved", n)
		case a.Fingerprint == "" || len(a.Fingerprint) > maxPrint:
			return bad("alerts[%d].fingerprint must have 1 to %d bytes", n, maxPrint)
		case a.StartsAt.IsZero():
			return bad("alerts[%d].startsAt is missing", n)
		}
		if what := labelFault(a.Labels); what != "" {
			return bad("alerts[%d].labels: %s", n, what)
		}
		if what := labelFault(a.Annotations); what != "" {
			return bad("alerts[%d].annotations: %s", n, what)
		}
		g.Alerts = append(g.Alerts, writ.Alert{
			Fingerprint: a.Fingerprint, Name: a.Labels["alertname"], Status: a.Status,
			StartsAt: writ.Instant(a.StartsAt), Labels: a.Labels, Annotations: a.Annotations,
		})
	}
	return g, nil
}

// shortKey keeps what tells a long group key from all others: routes that are nested, or list many names, make some.
func shortKey(key string) string {
	if len(key) <= maxKey {
		return key
	}
	digest := writ.DigestOf([]byte(key)).String()
	return strings.ToValidUTF8(key[:maxKey-len(digest)-1], "") + " " + digest
}

func alertStatus(s string) bool { return s == "firing" || s == "resolved" }

// labelFault says what is wrong with a set of labels or annotations, without repeating its text.
func labelFault(set map[string]string) string {
	if len(set) > maxLabels {
		return fmt.Sprintf("at most %d are taken, not %d", maxLabels, len(set))
	}
	for name, value := range set {
		if name == "" || len(name) > maxLabelName || len(value) > maxLabelValue {
			return fmt.Sprintf("a name has 1 to %d bytes and a value at most %d", maxLabelName, maxLabelValue)
		}
	}
	return ""
}
