package runner_test

import (
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// parameters of every proposal: what the things are set to.
var parameters = writ.Parameters{"value": writ.String("new")}

var playbooks = map[string]string{
	"one":   book("one", "T1", "inverse", "set a"),
	"two":   book("two", "T1", "inverse", "set a", "set b"),
	"three": book("three", "T1", "inverse", "set a", "set b", "set c"),
	"high":  book("high", "T2", "inverse", "replace a"),
	"final": book("final", "T2", "none", "replace a"), // declared to have no undo
	"claim": strings.Replace(book("claim", "T1", "inverse", "set a"), "guards:", "observe:", 1),
	"gauge": strings.NewReplacer("guards:", "observe:", "reader: fake/thing.status\n    fact: ok", "reader: gauge/errors.now\n    fact: low").Replace(book("gauge", "T1", "inverse", "set a")),
	"lost":  book("lost", "T1", "inverse", "set nothing"),
}

// book writes a playbook of steps "<verb> <thing>", with one guard and one check.
func book(name, tier, undo string, steps ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `v: 1
name: %s
version: 1
owner: shop
title: Set things to {value}
class: config
tier: %s
plane: fake
parameters:
  - {name: value, type: name, title: what to set}
guards:
  - name: may-touch
    reader: fake/thing.status
    fact: ok
    op: equals
    value: true
steps:
`, name, tier)
	for _, s := range steps {
		verb, thing, _ := strings.Cut(s, " ")
		fmt.Fprintf(&b, "  - operation: fake/thing.%s\n    with: {name: %s, value: $value}\n", verb, thing)
	}
	fmt.Fprintf(&b, `verify:
  - name: healthy
    reader: fake/thing.status
    fact: healthy
    op: equals
    value: true
    within_seconds: 30
undo: %s
limits: {max_objects: 3, max_permille: 1000}
`, undo)
	return b.String()
}
