package policy

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// A Report is the outcome of a bundle's own tests. Its lists hold ids of rules, sorted.
type Report struct {
	Cases    int       `json:"cases"`
	Results  []Result  `json:"results"`
	Failures []Failure `json:"-"`
	// NotAlone are the limits and requirements that decide in no case alone. Such a rule could be lost unnoticed, and
	// a bundle with any must not be published.
	NotAlone []string `json:"never_sole_decider,omitempty"`
	// NotUsed are the grants that no case needs.
	NotUsed []string `json:"never_used,omitempty"`
	// NotSatisfied are the rules whose conditions hold in no case.
	NotSatisfied []string `json:"never_satisfied,omitempty"`
	// NotCleared are the limits and requirements that stand in the way of every case that they could speak about: no
	// case shows that somebody passes them.
	NotCleared []string `json:"never_cleared,omitempty"`
}

// OK reports whether every case came out as wanted and every rule is covered.
func (r Report) OK() bool {
	return r.Cases > 0 && len(r.Failures)+len(r.NotAlone)+len(r.NotUsed)+len(r.NotSatisfied)+len(r.NotCleared) == 0
}

// A Result is how one case came out.
type Result struct {
	File    string   `json:"file"`
	Case    string   `json:"case"`
	Failure *Failure `json:"failure,omitempty"`
}

// A Failure is one case that came out differently.
type Failure struct {
	File  string `json:"-"`
	Case  string `json:"-"`
	Want  string `json:"want"` // in words
	Got   string `json:"got"`
	Facts string `json:"facts"` // canonical JSON of what the rules saw
}

func (f Failure) String() string {
	return fmt.Sprintf("%s: %s\n  want %s\n  got  %s\n  facts %s", f.File, f.Case, f.Want, f.Got, f.Facts)
}

// Test runs the tests that the bundle carries in tests/*.yaml. An error wraps writ.ErrInvalid and means that a file
// could not be read; a case that comes out differently is in the report.
func Test(b *Bundle) (Report, error) {
	cases, err := Cases(b)
	if err != nil {
		return Report{}, err
	}
	var r Report
	c := coverage{alone: map[string]bool{}, used: map[string]bool{}, satisfied: map[string]bool{}, cleared: map[string]bool{}}
	for _, x := range cases {
		if x.File == fileBases {
			continue
		}
		t := b.Trace(x.Request)
		r.Cases++
		result := Result{File: x.File, Case: x.Name}
		if got := x.got(t.Decision); got != x.want {
			f := Failure{File: x.File, Case: x.Name, Want: x.want, Got: got, Facts: string(t.Decision.Facts)}
			r.Failures, result.Failure = append(r.Failures, f), &f
		} else {
			c.take(b, t)
		}
		r.Results = append(r.Results, result)
	}
	for _, rule := range b.Rules() {
		forbid := rule.Folder != Grants
		for _, x := range []struct {
			missing bool
			list    *[]string
		}{
			{!forbid && !c.used[rule.ID], &r.NotUsed}, {forbid && !c.alone[rule.ID], &r.NotAlone},
			{!c.satisfied[rule.ID], &r.NotSatisfied}, {forbid && !c.cleared[rule.ID], &r.NotCleared},
		} {
			if x.missing {
				*x.list = append(*x.list, rule.ID)
			}
		}
	}
	return r, nil
}

// coverage notes what the cases that came out as wanted show of each rule.
type coverage struct{ alone, used, satisfied, cleared map[string]bool }

func (c coverage) take(b *Bundle, t Trace) {
	for _, id := range t.Satisfied {
		c.satisfied[id] = true
	}
	for _, id := range t.Silent {
		c.cleared[id] = true
	}
	d := t.Decision
	var forbids []string
	for _, id := range d.Policies {
		if b.rules[id].Folder == Grants {
			c.used[id] = true
		} else {
			forbids = append(forbids, id)
		}
	}
	if d.Reason == writ.ReasonNeedsApproval { // the second evaluation passed them all
		for _, id := range forbids {
			c.cleared[id] = true
		}
	}
	if len(forbids) == 1 && (d.Reason == writ.ReasonLimit || d.Reason == writ.ReasonNeedsApproval) {
		c.alone[forbids[0]] = true
	}
}
