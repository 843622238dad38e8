package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func runPolicyExplain(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "policy explain", "<case | dec_…> [--set dir] [--bundle file]", "Says why a request is decided as it is: which rules, by file and line, which facts mattered, and the smallest changes found that lead to another answer. The request is a case of the set's own tests, by name, or a decision of the ledger, by id: from a bundle, or else from the server.")
	s, r := policyFlags(f), remoteFlags(f)
	bundle := f.String("bundle", "", "a ledger bundle, `file` (see writ ledger export)")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	b, err := s.load()
	if err != nil {
		return err
	}
	q, note, err := s.asked(ctx, a, b, rest[0], *bundle, r)
	if err != nil {
		return err
	}
	x := study.Explain(b, q)
	return a.print(r.format, x, func() { a.explained(x, note) })
}

// asked finds the request that is to be explained, and says what is to be known about it.
func (s *policySet) asked(ctx context.Context, a *app, b *policy.Bundle, name, bundle string, r *remote) (policy.Request, string, error) {
	if id, err := writ.ParseDecisionID(name); err == nil {
		records, err := readRecords(ctx, a, bundle, r)
		if err != nil {
			return policy.Request{}, "", err
		}
		for _, x := range records.All {
			if x.Decision == id {
				return x.Request, recorded(x, b), nil
			}
		}
		return policy.Request{}, "", fmt.Errorf("%w: there is no decision %s there, or it lacks its facts", writ.ErrNotFound, id)
	}
	cases, err := policy.Cases(b)
	if err != nil {
		return policy.Request{}, "", err
	}
	var near []string
	for _, c := range cases {
		if c.Name == name {
			return c.Request, c.File, nil
		}
		if strings.Contains(c.Name, name) {
			near = append(near, c.Name)
		}
	}
	hint := "writ policy test -o json lists the cases; a decision's id begins with dec_"
	if len(near) > 0 {
		hint = "did you mean: " + strings.Join(near[:min(3, len(near))], ", ")
	}
	return policy.Request{}, "", &usageError{fmt.Sprintf("there is no case %q", writ.Printable(name, 80)), hint}
}

// recorded compares the set that decided with the one that is asked now.
func recorded(x study.Record, b *policy.Bundle) string {
	what := fmt.Sprintf("recorded %s as %s", clock(x.At), study.Outcome(x.Answer))
	if !x.Answer.Policy.Equal(b.Digest()) {
		what += fmt.Sprintf("\ndecided then under another set: %s", x.Answer.Policy)
	}
	return what
}

// readRecords reads recorded decisions from a bundle's file, or from the server's ledger.
func readRecords(ctx context.Context, a *app, file string, r *remote) (study.Records, error) {
	raw, err := readLedger(ctx, file, r)
	if err != nil {
		return study.Records{}, err
	}
	return study.FromFile(raw, entriesRead(a.stderr))
}

// readLedger reads a bundle's file, or exports the server's ledger.
func readLedger(ctx context.Context, file string, r *remote) ([]byte, error) {
	if file == "" {
		if err := r.open(); err != nil {
			return nil, err
		}
		return r.Export(ctx, "")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: bundle: %w", writ.ErrInvalid, err)
	}
	return raw, nil
}

// progressEvery is how often a long command tells how far it is.
const progressEvery = 2 * time.Second

// entriesRead tells how far reading a ledger is: nothing of one that is read at once.
func entriesRead(to io.Writer) func(done, of int) {
	last := time.Now()
	return func(done, of int) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			fmt.Fprintf(to, "%d of %d entries read\n", done, of)
			last = now
		}
	}
}

// tierBecause says why a decision counted a higher tier than the playbook's own and its operations'.
func (a *app) tierBecause(d writ.Decision) {
	for _, why := range d.TierBecause {
		fmt.Fprintf(a.stdout, "tier %d because %s\n", d.Tier, writ.Printable(why, 300))
	}
}

func (a *app) explained(x study.Explanation, note string) {
	if note != "" {
		fmt.Fprintln(a.stdout, note)
	}
	fmt.Fprintln(a.stdout, x.Outcome)
	a.tierBecause(x.Decision)
	for _, r := range x.Rules {
		fmt.Fprintf(a.stdout, "\n%s:%d  %s\n  %s\n", r.File, r.Line, r.ID, r.Reason)
		for line := range strings.Lines(r.Text) {
			fmt.Fprintf(a.stdout, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	if len(x.Rules) == 0 {
		for _, s := range x.Decision.Because {
			fmt.Fprintf(a.stdout, "  %s\n", s)
		}
	}
	fmt.Fprintln(a.stdout, "\nfacts that mattered, each alone:")
	for _, m := range x.Mattered {
		v := m.Value
		if v == "" {
			v = "absent"
		}
		fmt.Fprintf(a.stdout, "  %s = %s\n", m.Name, writ.Printable(v, 80))
	}
	fmt.Fprintf(a.stdout, "\nsmallest changes found among %d requests tried:\n", x.Tried)
	for _, c := range x.Changes {
		var parts []string
		for _, m := range c.Moves {
			parts = append(parts, m.String())
		}
		fmt.Fprintf(a.stdout, "  %s\n    then %s\n", strings.Join(parts, ", "), c.Outcome)
	}
	if len(x.Changes) == 0 {
		fmt.Fprintln(a.stdout, "  none")
	}
}
