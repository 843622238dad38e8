package policy

import (
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook/strictyaml"
)

// tiers is tiers.yaml: what a deployment demands at each tier, as data, and which asks it puts into a higher tier. It
// can raise a tier and never lower one. It also says which playbooks are observed only.
type tiers struct {
	proof   [writ.T4 + 1]writ.ProofLevel
	raises  []raise
	observe []string // sorted
	chains  chains
}

// A raise puts the asks that match all of its members into at least one tier.
type raise struct {
	service, env, playbook string
	atLeast                writ.Tier
}

type tiersFile struct {
	V     int `yaml:"v"`
	Tiers []struct {
		Tier  string `yaml:"tier"`
		Title string `yaml:"title"`
		Proof string `yaml:"proof"`
	} `yaml:"tiers"`
	Raises []struct {
		Service     string `yaml:"service"`
		Environment string `yaml:"environment"`
		Playbook    string `yaml:"playbook"`
		AtLeast     string `yaml:"at_least"`
	} `yaml:"raises"`
	Observe []string    `yaml:"observe"`
	Chains  *chainsFile `yaml:"chains"`
}

func parseTiers(src []byte) (tiers, error) {
	var f tiersFile
	if err := strictyaml.Unmarshal(src, &f); err != nil {
		return tiers{}, err
	}
	if f.V != writ.FormatVersion || len(f.Tiers) != int(writ.T4)+1 {
		return tiers{}, fmt.Errorf("v must be %d, and T0 to T4 must be there once each, in order", writ.FormatVersion)
	}
	var out tiers
	for i, t := range f.Tiers {
		switch {
		case t.Tier != writ.Tier(i).String() || t.Title == "":
			return tiers{}, fmt.Errorf("entry %d must be %s, with a title", i+1, writ.Tier(i))
		case writ.ProofLevel(t.Proof).Strength() == 0:
			return tiers{}, fmt.Errorf("%s: proof is A, B, C or D", t.Tier)
		case i > 0 && writ.ProofLevel(t.Proof).Strength() < out.proof[i-1].Strength():
			return tiers{}, fmt.Errorf("%s: its proof is weaker than that of the tier below", t.Tier)
		}
		out.proof[i] = writ.ProofLevel(t.Proof)
	}
	for i, r := range f.Raises {
		at, err := writ.ParseTier(r.AtLeast)
		if err != nil {
			return tiers{}, fmt.Errorf("raise %d: %w", i+1, err)
		}
		if r.Service == "" && r.Environment == "" && r.Playbook == "" {
			return tiers{}, fmt.Errorf("raise %d names no service, environment or playbook", i+1)
		}
		for _, name := range []string{r.Service, r.Environment, r.Playbook} {
			if name != "" && !writ.IsName(name) {
				return tiers{}, fmt.Errorf("raise %d: %q is no name", i+1, writ.Printable(name, 60))
			}
		}
		out.raises = append(out.raises, raise{r.Service, r.Environment, r.Playbook, at})
	}
	out.observe = slices.Sorted(slices.Values(f.Observe))
	var err error
	out.chains, err = f.Chains.parse()
	return out, err
}

// knows refuses an observed playbook that does not exist, and one that is named twice: a misspelt name would leave the
// one that was meant enforced.
func (t tiers) knows(v Vocabulary) error {
	for i, name := range t.observe {
		switch {
		case !slices.ContainsFunc(v.Playbooks, func(p Playbook) bool { return p.Name == name }):
			return fmt.Errorf("observe names %q, which is no playbook of this server", writ.Printable(name, 60))
		case i > 0 && t.observe[i-1] == name:
			return fmt.Errorf("observe names %q twice", writ.Printable(name, 60))
		}
	}
	return nil
}

// Observed are the playbooks that are observed only, sorted: what they ask for is decided and recorded, and nothing of it
// runs.
func (b *Bundle) Observed() []string {
	if b == nil {
		return nil
	}
	return slices.Clone(b.tiers.observe)
}

// Observes reports whether a playbook is observed only.
func (b *Bundle) Observes(playbook string) bool {
	return b != nil && slices.Contains(b.tiers.observe, playbook)
}

// lifts are the raises that match an ask.
func (t tiers) lifts(playbook string, f *Facts) []lift {
	var out []lift
	for i, r := range t.raises {
		if (r.service == "" || r.service == f.Service) && (r.env == "" || r.env == f.Env) && (r.playbook == "" || r.playbook == playbook) {
			out = append(out, lift{r.atLeast, fmt.Sprintf("raise %d of %s puts it into %s at least", i+1, fileTiers, r.atLeast)})
		}
	}
	return out
}

// level returns the proof level of a strength.
func level(strength int) writ.ProofLevel {
	all := []writ.ProofLevel{writ.ProofD, writ.ProofC, writ.ProofB, writ.ProofA}
	if i := slices.IndexFunc(all, func(p writ.ProofLevel) bool { return p.Strength() == strength }); i >= 0 {
		return all[i]
	}
	return ""
}
