// Package policy decides. A bundle of Cedar policies in three folders (grants, limits, requirements), with a schema
// and the tiers as data, is loaded once and then asked: facts in, decision out. Default deny, and deny on every error.
//
// A grant says who may ask for what at all. A limit is a forbid that nobody's approval lifts. A requirement is a forbid
// with annotations that say how it can be met; the answer then names what to collect, and executes nothing. Only an
// evaluation of all policies over real facts that ends in Cedar's allow is an allow.
//
// The package is pure: no network, no files but those in the fs.FS it is handed, no clock, no randomness. What a Bundle
// answers does not change after Load, and it is safe for concurrent use.
package policy

import (
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// Folder is closed: what a policy may be depends on where it stands.
type Folder string

const (
	Grants       Folder = "grants"       // permit only: who may ask for what at all
	Limits       Folder = "limits"       // forbid without @discharge: never lifted
	Requirements Folder = "requirements" // forbid with @discharge: what must be true first
)

// A Bundle is one loaded set of policies. A nil Bundle denies everything. It must not be copied.
type Bundle struct {
	digest writ.Digest
	schema *cedarx.Schema
	tiers  tiers
	rules  map[string]*rule
	index  index
	known  Words // its vocabularies, looked up for every decision
	tests  map[string][]byte

	principals memo[writ.Principal, principal] // that were converted and found valid
	services   memo[service, cedarx.Entity]
}

// A Rule is one policy, for people.
type Rule struct {
	ID     string
	Folder Folder
	Reason string // one plain sentence
	File   string
	Line   int
	Text   string // the rule in Cedar, without comments
}

type rule struct {
	Rule
	demand      demand
	duties      writ.Duties
	policy      *cedarx.Policy
	reads       factSet // what its conditions read
	readsAction bool    // a condition asks which action it is
}

// shown is the rule for people.
func (r *rule) shown() Rule {
	out := r.Rule
	out.Text = r.policy.Text()
	return out
}

// Digest names the bundle by content: every source file, the completed schema, the vocabulary and the engine.
func (b *Bundle) Digest() writ.Digest {
	if b == nil {
		return writ.Digest{}
	}
	return b.digest
}

// Proof is the level that tiers.yaml demands of an approval at a tier; the strongest when there is no set, or no such tier.
func (b *Bundle) Proof(t writ.Tier) writ.ProofLevel {
	if b == nil || !t.Valid() {
		return writ.ProofA
	}
	return b.tiers.proof[t]
}

// Rules returns all policies, sorted by id.
func (b *Bundle) Rules() []Rule {
	if b == nil {
		return nil
	}
	out := make([]Rule, 0, len(b.rules))
	for _, r := range b.rules {
		out = append(out, r.shown())
	}
	slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Rule returns one policy by id.
func (b *Bundle) Rule(id string) (Rule, bool) {
	if b == nil {
		return Rule{}, false
	}
	r, ok := b.rules[id]
	if !ok {
		return Rule{}, false
	}
	return r.shown(), true
}
