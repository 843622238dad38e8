package storefront

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// When an alert fires and ends. Two thresholds, so that it does not flap; both must be met at two checks in a row.
const (
	FiresAt      = 100 // permille of recent requests failed by the service itself
	ResolvesAt   = 40
	alertEvery   = 150 * time.Millisecond
	alertSamples = 15 // a rate over fewer requests says nothing
	alertChecks  = 2
)

// Labels that the shop's alerts carry.
const (
	alertName     = "HighErrorRate"
	alertEnv      = "prod"
	alertSeverity = "error"
)

// An alerter watches all services and posts to one receiver in the form of Alertmanager's webhook, version 4.
type alerter struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	state  map[string]*alertState // used by the loop only

	mu         sync.Mutex
	url, token string
}

type alertState struct {
	firing bool
	since  time.Time
	checks int  // in a row that say the opposite of firing
	sent   bool // the present state has reached the receiver
}

var errNoReceiver = errors.New("nobody receives alerts yet") // the alert waits

func (a *alerter) sendTo(url, token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.url, a.token = url, token
}

func (a *alerter) loop(ctx context.Context, services func() []*service) {
	t := time.NewTicker(alertEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, v := range services() {
			a.check(ctx, v)
		}
	}
}

// check moves one service's alert along and posts what has not arrived yet; what fails is posted again at the next
// check.
func (a *alerter) check(ctx context.Context, v *service) {
	st := a.state[v.name]
	if st == nil {
		st = &alertState{sent: true}
		a.state[v.name] = st
	}
	r := v.window.rates(a.now())
	opposite := !st.firing && r.ErrorPermille >= FiresAt || st.firing && r.ErrorPermille <= ResolvesAt
	if r.Requests < alertSamples || !opposite {
		st.checks = 0
	} else if st.checks++; st.checks >= alertChecks {
		st.firing, st.checks, st.sent = !st.firing, 0, false
		if st.firing {
			st.since = a.now()
		}
	}
	if st.sent {
		return
	}
	if err := a.post(ctx, v.name, *st, r.ErrorPermille); err != nil {
		if ctx.Err() == nil && !errors.Is(err, errNoReceiver) {
			a.log.Warn("alert not delivered", "service", v.name, "err", err)
		}
		return
	}
	st.sent = true
}

func (a *alerter) post(ctx context.Context, service string, st alertState, permille int) error {
	a.mu.Lock()
	url, token := a.url, a.token
	a.mu.Unlock()
	if url == "" {
		return errNoReceiver
	}
	body, err := json.Marshal(alertBody(service, st, permille, a.now()))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := a.client.Do(req)
	if err != nil {
		return errUnreachable // the cause could name the address, and with it a token in it
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answers %d", res.StatusCode)
	}
	return nil
}

// alertBody is the payload of one group with one alert.
func alertBody(service string, st alertState, permille int, now time.Time) map[string]any {
	status, ends := "resolved", now.UTC()
	if st.firing {
		status, ends = "firing", time.Time{}
	}
	labels := map[string]string{"alertname": alertName, "service": service, "environment": alertEnv, "severity": alertSeverity}
	notes := map[string]string{"summary": fmt.Sprintf("%s fails %d.%d %% of its requests", service, permille/10, permille%10)}
	h := fnv.New64a()
	for _, k := range []string{"alertname", "environment", "service", "severity"} {
		_, _ = io.WriteString(h, k+"\xff"+labels[k]+"\xff")
	}
	return map[string]any{
		"version": "4", "groupKey": fmt.Sprintf(`{}:{alertname=%q, service=%q}`, alertName, service), "truncatedAlerts": 0,
		"status": status, "receiver": "writ", "externalURL": "http://127.0.0.1",
		"groupLabels":  map[string]string{"alertname": alertName, "service": service},
		"commonLabels": labels, "commonAnnotations": notes,
		"alerts": []any{map[string]any{
			"status": status, "labels": labels, "annotations": notes, "startsAt": st.since.UTC(), "endsAt": ends,
			"generatorURL": "http://127.0.0.1/metrics", "fingerprint": fmt.Sprintf("%016x", h.Sum64()),
		}},
	}
}
