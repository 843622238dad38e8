package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/writ-dev/writ"
)

// maxTyped bounds what is read from standard input: a note has 4,000 characters.
const maxTyped = 64 << 10

func runIncidentNote(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "incident note", "<incident> (--text … | -)", "Writes a note on an incident, under your name. Its entry in the ledger commits to it; no agent sees it.\nWith - it is read from standard input.")
	r := remoteFlags(f)
	text := f.String("text", "", "the note, at most 4,000 characters")
	rest, err := f.parseSome(args, 2)
	if err != nil {
		return err
	}
	example := `writ incident note inc_… --text "the cache was cold after the deployment"`
	if len(rest) == 0 || len(rest) == 2 && rest[1] != "-" {
		return &usageError{"incident note takes one incident", example}
	}
	if len(rest) == 2 {
		b, err := io.ReadAll(io.LimitReader(a.stdin, maxTyped))
		if err != nil {
			return err
		}
		*text = strings.TrimRight(string(b), "\n")
	}
	if *text == "" {
		return &usageError{"the note is empty", example}
	}
	id, err := writ.ParseIncidentID(rest[0])
	if err != nil {
		return &usageError{"an incident is named by its id: inc_ and 26 characters", "writ incident list"}
	}
	if err := r.open(); err != nil {
		return err
	}
	n, err := r.AddNote(ctx, id, *text)
	if err != nil {
		return err
	}
	return a.print(r.format, n, func() { fmt.Fprintf(a.stdout, "✔ noted on %s · ledger %d\n", id, n.Index) })
}

func runPlanAskEvidence(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "plan ask-evidence", "<plan> --text …", "Asks whoever proposed a plan to read more before you answer it. It is no answer: the plan waits as before, and its time runs on.\nThe agent is told with the plan's state; what it reads then stands on the plan.")
	r := remoteFlags(f)
	text := f.String("text", "", "what you want to see, at most 400 characters")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *text == "" {
		return &usageError{"--text is missing: what you want to see", "writ plan ask-evidence " + writ.Printable(rest[0], 40) + ` --text "the error rate of the last hour"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.plan(ctx, rest[0])
	if err != nil {
		return err
	}
	if p, err = r.AskEvidence(ctx, p.ID, *text); err != nil {
		return err
	}
	return a.print(r.format, p, func() {
		fmt.Fprintf(a.stdout, "✔ asked; %s is %s, until %s\n", p.ID, p.State, clock(p.ExpiresAt))
	})
}

// asked shows what people want to see before they answer a plan, and what was read since.
func (a *app) asked(p writ.PlanStatus) {
	for _, q := range p.EvidenceAsked {
		fmt.Fprintf(a.stdout, "  Asked     %q  by %s at %s\n", writ.Printable(q.Text, 400), who(q.By), clock(q.At))
	}
	for _, e := range p.EvidenceSince {
		fmt.Fprintf(a.stdout, "  Read since %s %s at %s, for %s\n", e.ID, e.Query.Reader, clock(e.At), who(e.AskedBy))
	}
}
