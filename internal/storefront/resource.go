package storefront

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// serviceView is the body of getService.
type serviceView struct {
	UID          string `json:"uid"`
	Service      string `json:"service"`
	Release      string `json:"release"`
	Replicas     int    `json:"replicas"`
	StepPermille int    `json:"step_permille"` // share of the capacity that a rolling change takes away at once
	ChangedBy    string `json:"changed_by"`
	ChangedKey   string `json:"changed_key"`
}

func (s *Shop) getService(r *http.Request) (any, string, error) {
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return nil, "", err
	}
	v.change.Lock() // replicas do not come and go meanwhile
	defer v.change.Unlock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	return serviceView{
		UID: v.uid, Service: v.name, Release: v.release, Replicas: len(v.replicas), StepPermille: 1000 / max(len(v.replicas), 1),
		ChangedBy: v.by, ChangedKey: v.key,
	}, v.etagLocked(), nil
}

// flagView is the body of getFlag.
type flagView struct {
	UID        string `json:"uid"`
	Flag       string `json:"flag"`
	Title      string `json:"title"`
	On         bool   `json:"on"`
	ChangedBy  string `json:"changed_by"`
	ChangedKey string `json:"changed_key"`
}

func (s *Shop) getFlag(r *http.Request) (any, string, error) {
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return nil, "", err
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	f, ok := v.flags[r.PathValue("flag")]
	if !ok {
		return nil, "", errNoService
	}
	return flagView{UID: f.uid, Flag: f.spec.name, Title: f.spec.title, On: f.on, ChangedBy: f.by, ChangedKey: f.key}, f.etag(), nil
}

func (s *Shop) listServices(*http.Request) (any, string, error) {
	return map[string]any{"services": s.Services()}, "", nil
}

func (s *Shop) getMetrics(r *http.Request) (any, string, error) {
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return nil, "", err
	}
	m := v.window.rates(s.now())
	v.mu.RLock()
	before := v.before
	v.mu.RUnlock()
	return map[string]any{
		"before_release_permille": before,
		"service":                 v.name, "requests": m.Requests, "error_permille": m.ErrorPermille, "upstream_permille": m.UpstreamPermille,
		"median_ms": m.Median.Milliseconds(), "ready": v.ready(),
	}, "", nil
}

func (s *Shop) getLogs(r *http.Request) (any, string, error) {
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return nil, "", err
	}
	n := 50
	if x := r.URL.Query().Get("lines"); x != "" {
		if n, err = strconv.Atoi(x); err != nil || n < 1 || n > MaxLines {
			return nil, "", fmt.Errorf("%w: lines must be 1 to %d", errBound, MaxLines)
		}
	}
	return map[string]any{"service": v.name, "lines": v.lines.last(n)}, "", nil
}

func (s *Shop) listReleases(r *http.Request) (any, string, error) {
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return nil, "", err
	}
	type view struct {
		Name string `json:"name"`
		Note string `json:"note"`
	}
	out := []view{}
	previous, now := "", v.current()
	for _, p := range v.spec.releases {
		out = append(out, view{p.Name, p.Note})
	}
	if i := slices.IndexFunc(v.spec.releases, func(p Release) bool { return p.Name == now }); i > 0 {
		previous = v.spec.releases[i-1].Name
	}
	return map[string]any{"service": v.name, "current": now, "previous": previous, "releases": out}, "", nil
}

func (s *Shop) putRelease(r *http.Request, t ticket, body []byte) error {
	var in struct {
		Release *string `json:"release"`
	}
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return err
	}
	if strict(body, &in) != nil || in.Release == nil {
		return errBody
	}
	return v.setRelease(t, *in.Release)
}

func (s *Shop) putReplicas(r *http.Request, t ticket, body []byte) error {
	var in struct {
		Replicas *int `json:"replicas"`
	}
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return err
	}
	if strict(body, &in) != nil || in.Replicas == nil {
		return errBody
	}
	return v.setReplicas(t, *in.Replicas)
}

func (s *Shop) putFlag(r *http.Request, t ticket, body []byte) error {
	var in struct {
		On *bool `json:"on"`
	}
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return err
	}
	if strict(body, &in) != nil || in.On == nil {
		return errBody
	}
	return v.setFlag(t, r.PathValue("flag"), *in.On)
}

func (s *Shop) postRestart(r *http.Request, t ticket, body []byte) error {
	v, err := s.service(r.PathValue("service"))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		return errBody
	}
	return v.restart(t)
}

func strict(b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errBody
	}
	return nil
}
