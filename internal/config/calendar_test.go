package config_test

import (
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ/internal/calendar"
	"github.com/writ-dev/writ/internal/config"
)

// The calendar and the decision point that docs/access.md shows are taken.
func TestTheDocumentedCalendarIsTaken(t *testing.T) {
	var c struct {
		Calendars []config.Calendar `yaml:"calendars"`
		Veto      config.Veto       `yaml:"veto"`
	}
	err := yaml.UnmarshalWithOptions([]byte(`
calendars:
  - name: office
    environments: [prod]
    zone: Europe/Berlin
    windows:
      - {name: weekdays, start: "2026-01-05T09:00", for: 8h, rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", except: ["2026-12-24"]}
    freezes:
      - {name: christmas, start: "2026-12-20T00:00", for: 336h, rule: "FREQ=YEARLY"}
veto: {url: https://pdp.example/access/v1/evaluation, ca: pdp-ca.pem, token_file: pdp-token, timeout: 500ms}
`), &c, yaml.Strict(), yaml.DisallowUnknownField())
	if err != nil || len(c.Calendars) != 1 || time.Duration(c.Veto.Timeout) != 500*time.Millisecond {
		t.Fatalf("%+v, %v", c, err)
	}
	s, err := calendar.New([]calendar.Source{c.Calendars[0].Source()}, time.LoadLocation)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.At("shop", "prod", time.Date(2026, 12, 21, 10, 0, 0, 0, time.UTC)); got.FrozenUntil == nil || got.Open == nil || !*got.Open {
		t.Errorf("%+v", got)
	}
}
