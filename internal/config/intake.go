package config

import (
	"maps"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/event"
)

// Intake is where events come in from sources that prove themselves by signature, token or certificate.
type Intake struct {
	Listen   string        `yaml:"listen,omitempty"`    // of mutual TLS, for sources with client_names
	ClientCA string        `yaml:"client_ca,omitempty"` // PEM file: who signs their certificates
	Sources  []EventSource `yaml:"sources"`             // POST external_url/v1/intake/NAME
}

// EventSource is one source: exactly one of secret_files, token_files and client_names proves it.
type EventSource struct {
	Name        string            `yaml:"name"`
	Form        string            `yaml:"form"`                   // alertmanager, pagerduty, cloudevents or webhook
	SecretFiles []string          `yaml:"secret_files,omitempty"` // of HMAC-SHA-256: files of mode 0600 or env:NAME; a second one while it is rotated
	TokenFiles  []string          `yaml:"token_files,omitempty"`  // of bearer tokens, likewise
	ClientNames []string          `yaml:"client_names,omitempty"` // DNS names or URIs of client certificates
	Window      Duration          `yaml:"window,omitempty"`       // how old a signed event may be; 5m, of PagerDuty 1h
	Services    map[string]string `yaml:"services"`               // what the source calls a service: its name in services
	Severities  map[string]int    `yaml:"severities,omitempty"`   // what the source says: 1, the worst, to 4
	Severity    int               `yaml:"severity,omitempty"`     // of everything else; without it, everything else is refused
	Pointers    *EventPointers    `yaml:"pointers,omitempty"`     // of cloudevents and webhook
	Resolved    []string          `yaml:"resolved,omitempty"`     // of cloudevents and webhook: values of pointers.status that mean it is over
	Firing      []string          `yaml:"firing,omitempty"`       // values that mean it goes on; without, all others
}

// EventPointers are JSON pointers (RFC 6901) into a source's events.
type EventPointers struct {
	Group    string `yaml:"group"` // one value, one incident
	Status   string `yaml:"status"`
	Service  string `yaml:"service"`
	Severity string `yaml:"severity,omitempty"`
	Title    string `yaml:"title,omitempty"`
	Summary  string `yaml:"summary,omitempty"`
	ID       string `yaml:"id,omitempty"` // of webhook: the event's own id
	At       string `yaml:"at,omitempty"` // of webhook: when it happened, RFC 3339
}

// Limits of intake.
const (
	maxSources  = 64             // more than any company has on-call tools
	maxMappings = 1000           // services or severities of one source
	maxWindow   = 24 * time.Hour // an event of yesterday says nothing about now
)

func (c *checks) intake(s Server) {
	in := s.Intake
	if in == nil {
		return
	}
	c.want(len(in.Sources) > 0 && len(in.Sources) <= maxSources, "intake.sources must name 1 to %d sources", maxSources)
	if in.Listen != "" {
		c.address("intake.listen", in.Listen)
		c.want(s.TLS != nil, "intake.listen needs tls: mutual TLS shows the server's certificate")
		c.want(in.ClientCA != "", "intake.listen needs client_ca: a PEM file with who signs the sources' certificates")
	}
	var names []string
	for i, x := range in.Sources {
		c.want(writ.IsName(x.Name) && !slices.Contains(names, x.Name), "intake.sources[%d].name must be a plain name of its own, such as prometheus-eu", i)
		names = append(names, x.Name)
		c.eventSource(i, x, in.Listen)
	}
}

func (c *checks) eventSource(i int, x EventSource, listen string) {
	form := event.Form(x.Form)
	c.want(slices.Contains(event.Forms, form), "intake.sources[%d].form must be alertmanager, pagerduty, cloudevents or webhook", i)
	ways := 0
	for _, n := range []int{len(x.SecretFiles), len(x.TokenFiles), len(x.ClientNames)} {
		if n > 0 {
			ways++
		}
	}
	c.want(ways == 1, "intake.sources[%d] must have exactly one of secret_files, token_files and client_names", i)
	c.want(len(x.SecretFiles) <= event.MaxSecrets && len(x.TokenFiles) <= event.MaxSecrets, "intake.sources[%d] has at most %d secrets: the one in use and the next", i, event.MaxSecrets)
	for _, ref := range slices.Concat(x.SecretFiles, x.TokenFiles) {
		c.want(ref != "", "intake.sources[%d]: a secret is the path of a file of mode 0600, or env:NAME", i)
		c.secret("intake.sources["+x.Name+"]", ref)
	}
	c.want(len(x.SecretFiles) == 0 || form != event.Alertmanager, "intake.sources[%d]: Alertmanager cannot sign; give token_files or client_names", i)
	c.want(len(x.ClientNames) == 0 || listen != "", "intake.sources[%d].client_names needs intake.listen and intake.client_ca", i)
	c.want(x.Window >= 0 && time.Duration(x.Window) <= maxWindow, "intake.sources[%d].window must be at most 24h, such as 5m", i)
	c.want(len(x.Services) > 0 && len(x.Services) <= maxMappings, "intake.sources[%d].services must map 1 to %d services, such as checkout: checkout", i, maxMappings)
	for _, v := range slices.Sorted(maps.Keys(x.Services)) {
		c.want(v != "" && x.Services[v] != "", "intake.sources[%d].services: both names must be there", i)
	}
	c.want(len(x.Severities) <= maxMappings && (len(x.Severities) > 0 || x.Severity != 0), "intake.sources[%d] needs severities, such as critical: 1, or one severity for all", i)
	c.want(x.Severity >= 0 && x.Severity <= writ.SeverityMax, "intake.sources[%d].severity must be 1, the worst, to 4", i)
	for _, n := range x.Severities {
		c.want(n >= writ.SeverityMin && n <= writ.SeverityMax, "intake.sources[%d].severities must be 1, the worst, to 4", i)
	}
	pointed := form == event.CloudEvents || form == event.Webhook
	c.want(pointed == (x.Pointers != nil) && pointed == (len(x.Resolved) > 0), "intake.sources[%d]: pointers and resolved are for cloudevents and webhook, which need both", i)
	if x.Pointers == nil {
		return
	}
	p := *x.Pointers
	c.want(p.Group != "" && p.Status != "" && p.Service != "", "intake.sources[%d].pointers must have group, status and service", i)
	c.want(form == event.Webhook || p.ID == "" && p.At == "", "intake.sources[%d].pointers: cloudevents have their own id and time", i)
	for _, at := range []string{p.Group, p.Status, p.Service, p.Severity, p.Title, p.Summary, p.ID, p.At} {
		if at != "" {
			err := event.CheckPointer(at)
			c.want(err == nil, "intake.sources[%d].pointers: %s", i, sentence(err))
		}
	}
}

// Source returns the source without its proof.
func (x EventSource) Source() event.Source {
	s := event.Source{
		Name: x.Name, Form: event.Form(x.Form), Services: x.Services, Severities: x.Severities, Severity: x.Severity, Resolved: x.Resolved, Firing: x.Firing,
		Proof: event.Proof{Names: x.ClientNames, Window: time.Duration(x.Window)},
	}
	if x.Pointers != nil {
		s.Pointers = event.Pointers(*x.Pointers)
	}
	return s
}
