package study

import (
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// DefaultRequests is how many requests a search tries when nobody says: a few seconds' worth.
const DefaultRequests = 20_000

// maxCorpus bounds the requests that a search begins again from. Each stands for one combination of rules.
const maxCorpus = 4096

// maxSteps is how many facts are changed at once.
const maxSteps = 4

// A visit looks at one request. It returns a text for what it saw: a request with a text that was not seen before is
// worth beginning again from.
type visit func(q policy.Request) string

// explore tries n requests: the seeds, each seed with one fact changed to each of its values, and then changes of up to
// maxSteps facts of whatever request showed something new. It returns how many it tried.
func explore(s space, seeds []policy.Request, n int, look visit) int {
	seen := map[string]bool{}
	var corpus []policy.Request
	tried := 0
	try := func(q policy.Request) {
		if tried >= n {
			return
		}
		tried++
		if sign := look(q); !seen[sign] && len(corpus) < maxCorpus {
			seen[sign] = true
			corpus = append(corpus, q)
		}
	}
	for _, q := range seeds {
		try(q)
	}
	for i := 0; i < len(seeds) && tried < n/2; i++ {
		for _, d := range s.dimensions {
			for _, change := range d.changes {
				q := copied(seeds[i])
				change(&q)
				try(q)
			}
		}
	}
	d := dice(1)
	for tried < n && len(corpus) > 0 {
		q := copied(corpus[d.below(len(corpus))])
		for range 1 + d.below(maxSteps) {
			x := s.dimensions[d.below(len(s.dimensions))]
			if len(x.changes) > 0 {
				x.changes[d.below(len(x.changes))](&q)
			}
		}
		try(q)
	}
	return tried
}

// copied is a request whose lists can be changed. Changes replace pointers and never write through them.
func copied(q policy.Request) policy.Request {
	q.Operations = slices.Clone(q.Operations)
	return q
}

// dice is a small generator, so that a search is the same each time. It is SplitMix64.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// seeds are the cases of the sets' own tests, from which a search begins.
func seeds(sets ...*policy.Bundle) ([]policy.Case, error) {
	var out []policy.Case
	for _, b := range sets {
		cases, err := policy.Cases(b)
		if err != nil && len(sets) == 1 {
			return nil, err
		}
		out = append(out, cases...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: a search begins from tests/bases.yaml, and there is none", writ.ErrInvalid)
	}
	return out, nil
}

func requests(cases []policy.Case) []policy.Request {
	out := make([]policy.Request, len(cases))
	for i, c := range cases {
		out[i] = c.Request
	}
	return out
}

// shape is what a trace shows of the rules.
func shape(t policy.Trace) string {
	return string(t.Decision.Verdict) + string(t.Decision.Reason) + strings.Join(t.Satisfied, ",")
}
