package config

import (
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// OnCall says where it is known who is on call for one group of the roster: exactly one of its sources. A source only
// narrows: of the approvers who are of the group, those whom it names now may answer for it.
type OnCall struct {
	Group     string           `yaml:"group"` // such as payments-oncall
	ICal      *OnCallCalendar  `yaml:"ical,omitempty"`
	PagerDuty *OnCallPagerDuty `yaml:"pagerduty,omitempty"`
	Every     Duration         `yaml:"every,omitempty"`    // how often it is asked; default 1m
	MaxAge    Duration         `yaml:"max_age,omitempty"`  // how old its last answer may be; default 15m
	Fallback  string           `yaml:"fallback,omitempty"` // group whose members, as far as they are of group too, answer when the source is not believed; without one nobody does
}

// OnCallCalendar is a calendar in iCalendar form: a file, or an https URL. Its events are turns; who has one is told by its attendees,
// or by its summary where it has none.
type OnCallCalendar struct {
	File      string `yaml:"file,omitempty"`
	URL       string `yaml:"url,omitempty"`
	URLFile   string `yaml:"url_file,omitempty"`   // instead of url, when the address is a password: of mode 0600, or env:NAME
	TokenFile string `yaml:"token_file,omitempty"` // a bearer token: of mode 0600, or env:NAME
	CA        string `yaml:"ca,omitempty"`         // PEM file; empty means the system's
	Zone      string `yaml:"zone,omitempty"`       // of times without one and of whole days; default UTC
}

// OnCallPagerDuty is an on-call tool with PagerDuty's REST API.
type OnCallPagerDuty struct {
	URL       string   `yaml:"url"`        // such as https://api.pagerduty.com
	TokenFile string   `yaml:"token_file"` // a read-only key: of mode 0600, or env:NAME
	Schedules []string `yaml:"schedules"`  // ids
	CA        string   `yaml:"ca,omitempty"`
}

// Fatigue says when answering has become too much for one person. What is left out has a default.
type Fatigue struct {
	Shift        Duration `yaml:"shift,omitempty"`         // in which answers are counted, at most 24h; default 8h
	PerShift     int      `yaml:"per_shift,omitempty"`     // answers from which on an approval needs another person's beside it; 0: no such limit
	SuggestAfter int      `yaml:"suggest_after,omitempty"` // approvals of exactly the same repair within thirty days after which its owner is told; default 5
}

// Bounds of asking on-call sources: a tool should not be asked more often, and an answer of yesterday is no answer.
const (
	minEvery  = 10 * time.Second
	maxOnCall = 24 * time.Hour
	DefEvery  = time.Minute
	DefMaxAge = 15 * time.Minute
	maxRotas  = 200
)

// onCall checks who is on call, and under which names people stand there.
func (c *checks) onCall(s Server) {
	c.want(len(s.OnCall) <= maxRotas, "oncall has more than %d groups", maxRotas)
	for i, o := range s.OnCall {
		c.want(writ.IsName(o.Group) && slices.ContainsFunc(s.Approvers, func(a Approver) bool { return slices.Contains(a.Groups, o.Group) }),
			"oncall[%d].group must be a group of approvers, such as payments-oncall", i)
		c.want(!slices.ContainsFunc(s.OnCall[:i], func(x OnCall) bool { return x.Group == o.Group }), "oncall[%d].group stands twice: a group has one source", i)
		c.want((o.ICal == nil) != (o.PagerDuty == nil), "oncall[%d] must have ical or pagerduty, and not both", i)
		c.want(o.Every == 0 || time.Duration(o.Every) >= minEvery, "oncall[%d].every must be at least %s, such as 1m", i, minEvery)
		c.want(o.MaxAge >= 0 && time.Duration(o.MaxAge) <= maxOnCall && (o.MaxAge == 0 || o.MaxAge >= o.Every), "oncall[%d].max_age must be at least every, and at most %s, such as 15m", i, maxOnCall)
		c.want(o.Fallback == "" || slices.ContainsFunc(s.Approvers, func(a Approver) bool {
			return slices.Contains(a.Groups, o.Group) && slices.Contains(a.Groups, o.Fallback)
		}), "oncall[%d].fallback must be a group of which an approver of %s is, too", i, writ.Printable(o.Group, 60))
		if x := o.ICal; x != nil {
			given := 0
			for _, v := range []string{x.File, x.URL, x.URLFile} {
				if v != "" {
					given++
				}
			}
			c.want(given == 1, "oncall[%d].ical must have exactly one of file, url and url_file", i)
			c.want(x.URL == "" || strings.HasPrefix(x.URL, "https://"), "oncall[%d].ical.url must begin with https://", i)
			c.want(x.File == "" || x.TokenFile == "" && x.CA == "", "oncall[%d].ical.token_file and ca are for a url", i)
			c.want(x.Zone != "Local", "oncall[%d].ical.zone must name a time zone, such as Europe/Berlin", i)
			if x.Zone != "" {
				_, err := time.LoadLocation(x.Zone)
				c.want(err == nil, "oncall[%d].ical.zone must name a time zone, such as Europe/Berlin", i)
			}
			c.secret("oncall.ical.url_file", x.URLFile)
			c.secret("oncall.ical.token_file", x.TokenFile)
		}
		if x := o.PagerDuty; x != nil {
			c.want(strings.HasPrefix(x.URL, "https://") && !strings.HasSuffix(x.URL, "/"), "oncall[%d].pagerduty.url must be an https URL without a slash at its end, such as https://api.pagerduty.com", i)
			c.want(x.TokenFile != "", "oncall[%d].pagerduty.token_file must name a file of mode 0600 with a read-only key, or env:NAME", i)
			c.secret("oncall.pagerduty.token_file", x.TokenFile)
			c.want(len(x.Schedules) > 0 && !slices.Contains(x.Schedules, ""), "oncall[%d].pagerduty.schedules must name at least one schedule's id", i)
		}
	}
	seen := map[string]bool{}
	for i, a := range s.Approvers {
		for _, n := range a.KnownAs {
			n = strings.ToLower(strings.TrimSpace(n))
			c.want(n != "" && !seen[n], "approvers[%d].known_as: each name in on-call sources is one person's and is not empty", i)
			seen[n] = true
		}
	}
	if f := s.Fatigue; f != nil {
		c.want(f.Shift >= 0 && time.Duration(f.Shift) <= maxOnCall, "fatigue.shift must be at most 24h, such as 8h")
		c.want(f.PerShift >= 0 && f.PerShift <= 500, "fatigue.per_shift must be 1 to 500, or 0 for no limit")
		c.want(f.SuggestAfter == 0 || f.SuggestAfter >= 2 && f.SuggestAfter <= 500, "fatigue.suggest_after must be 2 to 500, or 0 for the default")
	}
}

// KnownPeople are the names under which approvers stand in on-call sources, in lower case.
func (s Server) KnownPeople() map[string]writ.Person {
	out := map[string]writ.Person{}
	for _, a := range s.Approvers {
		for _, n := range a.KnownAs {
			out[strings.ToLower(strings.TrimSpace(n))] = writ.Person{Iss: a.Iss, Sub: a.Sub}
		}
	}
	return out
}
