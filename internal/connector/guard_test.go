package connector_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// What stayed on the runner is what the plan commits to, whoever looks at it next.
func TestI03WhatStaysOnTheRunnerIsWhatThePlanCommitsTo(t *testing.T) {
	salt := [writ.SaltSize]byte{1}
	good := connector.Seal(writ.Step{Key: "pln_1.1"}, salt, []byte(`{"replicas":3}`), []byte(`{"replicas":2}`))
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	if err := connector.Seal(writ.Step{Key: "pln_1.1"}, salt, nil, nil).Check(); err != nil {
		t.Errorf("a call without body and pre-image: %v", err)
	}
	for name, change := range map[string]func(*connector.Prepared){
		"another body":            func(p *connector.Prepared) { p.Body = []byte(`{"replicas":30}`) },
		"no body":                 func(p *connector.Prepared) { p.Body = nil },
		"a body nobody sealed":    func(p *connector.Prepared) { p.Step.Call.Body = writ.Commitment{} },
		"another pre-image":       func(p *connector.Prepared) { p.Preimage = []byte(`{"replicas":20}`) },
		"no pre-image":            func(p *connector.Prepared) { p.Preimage = nil },
		"a pre-image of its own":  func(p *connector.Prepared) { p.Step.Inverse.Preimage = writ.Commitment{} },
		"another salt":            func(p *connector.Prepared) { p.Salt[0]++ },
		"the pre-image as a body": func(p *connector.Prepared) { p.Step.Call.Body, p.Body = p.Step.Inverse.Preimage, p.Preimage },
	} {
		p := good
		change(&p)
		if err := p.Check(); writ.ReasonOf(err) != writ.ReasonCallAltered {
			t.Errorf("%s: want %s, got %v", name, writ.ReasonCallAltered, err)
		}
	}
}
