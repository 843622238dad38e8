package policy

import (
	"maps"
	"reflect"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// DecideLinear decides with every policy of the bundle, without the index, over all facts, and converts and validates
// everything anew.
func DecideLinear(b *Bundle, q Request) writ.Decision {
	var all []*cedarx.Policy
	for _, id := range slices.Sorted(maps.Keys(b.rules)) {
		all = append(all, b.rules[id].policy)
	}
	return b.decide(q, manner{find: func(*shelf, cedarx.Entity) []*cedarx.Policy { return all }, record: true, strict: true})
}

// DecideBroken decides with a policy that makes the engine panic.
func DecideBroken(b *Bundle, q Request) writ.Decision {
	return b.decide(q, manner{find: func(*shelf, cedarx.Entity) []*cedarx.Policy { return []*cedarx.Policy{{ID: "limits/broken"}} }, record: true})
}

// Canonical is the form in which a decision records facts.
func Canonical(f Facts) (string, error) { b, err := f.canonical(); return string(b), err }

// ReadFacts reads facts by hand, and says whether it could.
func ReadFacts(b []byte) (f Facts, ok bool) {
	var text canon.Text
	ok = text.Split(b) && new(FactsReader).read(&f, text.Root())
	return f, ok
}

// ContextNames are the facts that rules can read.
func ContextNames() []string {
	var out []string
	for _, f := range contextFacts {
		out = append(out, string(f.name))
	}
	return out
}

// FactsAbsentFromFullest are the fields of the facts that admits would never show to the schema.
func FactsAbsentFromFullest() []string {
	var out []string
	v := reflect.ValueOf(fullest()).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && f.IsNil() {
			out = append(out, v.Type().Field(i).Name)
		}
	}
	return out
}

// MaxFacts is how many facts rules can read.
const MaxFacts = maxFacts

// MaxMemo is how many principals, and how many services, a bundle remembers.
const MaxMemo = maxMemo

// Remembered is how many principals and services a bundle remembers.
func Remembered(b *Bundle) (principals, services int) { return len(b.principals.m), len(b.services.m) }

// FactsSeenBy are the facts that rules about the action are handed.
func FactsSeenBy(b *Bundle, action string) []string {
	places := b.index[action].reads
	if places == nil {
		return ContextNames()
	}
	var out []string
	for _, i := range places {
		out = append(out, string(contextFacts[i].name))
	}
	return out
}
