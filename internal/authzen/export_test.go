package authzen

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/writ-dev/writ"
)

// Properties are what a request says of the parts of its question, by part.
type Properties map[string]map[string]json.RawMessage

// A Scenario is another world than Writ's to ask about: users and records, whose properties count.
type Scenario struct {
	Subject, Resource string // types
	Issuer            string // of all subjects
	Heard             func(context.Context, Properties) context.Context
}

// ScenarioHandler is Handler for a Scenario.
func ScenarioHandler(c Config, s Scenario) (http.Handler, error) {
	return handlerIn(terms{
		subjects: map[string]writ.Kind{s.Subject: writ.KindHuman}, resource: s.Resource, issuer: s.Issuer,
		heard: func(ctx context.Context, subject, action, resource object) context.Context {
			said := Properties{}
			for name, part := range map[string]object{partSubject: subject, partAction: action, partResource: resource} {
				properties, _ := part.object("properties")
				said[name] = properties
			}
			return s.Heard(ctx, said)
		},
	}, c)
}
