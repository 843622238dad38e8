package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/playbook"
)

// A glassAsk is what open and drill have in common.
type glassAsk struct {
	*remote
	playbook string
	service  string
	incident writ.IncidentID
	params   words
	evidence words
	why      string
	key      string
	hardware bool
}

func (g *glassAsk) flags(f *flags) {
	g.remote = remoteFlags(f)
	f.Var(&g.params, "param", "a parameter, `name=value`; may be repeated")
	f.Var(&g.evidence, "evidence", "`id` of evidence to cite; may be repeated")
	f.StringVar(&g.why, "justification", "", "why this cannot wait for the ordinary way")
	f.StringVar(&g.key, "key", "", "SSH key `file`; default the configuration's ssh_key")
	f.BoolVar(&g.hardware, "sk", false, "sign through ssh-keygen: for a key in hardware, which asks for touch and PIN, or in an agent")
}

// ask shows what is asked for, signs it and sends it.
func (g *glassAsk) ask(ctx context.Context, a *app) (writ.BreakGlass, writ.BreakGlassAsk, error) {
	var none writ.BreakGlassAsk
	text, err := g.Playbook(ctx, g.playbook)
	if err != nil {
		return writ.BreakGlass{}, none, err
	}
	// What is signed for is the content, hashed here, and not what the server says of it.
	pb, digest, err := playbook.Parse([]byte(text.Source))
	if err != nil {
		return writ.BreakGlass{}, none, err
	}
	if !digest.Equal(text.Digest) {
		return writ.BreakGlass{}, none, &exitError{exitDiffers, "the playbook's source does not have the digest that the server names; nothing was signed"}
	}
	given, err := parameters(g.params)
	if err != nil {
		return writ.BreakGlass{}, none, err
	}
	bound, err := pb.Bind(given)
	if err != nil {
		return writ.BreakGlass{}, none, err
	}
	parameters, err := bound.Parameters.Digest()
	if err != nil {
		return writ.BreakGlass{}, none, err
	}
	ask := writ.BreakGlassAsk{Parameters: bound.Parameters, Justification: g.why}
	for _, e := range g.evidence {
		id, err := writ.ParseEvidenceID(e)
		if err != nil {
			return writ.BreakGlass{}, none, &usageError{"--evidence must be an id: ev_ and 26 characters", ""}
		}
		ask.Evidence = append(ask.Evidence, id)
	}
	nonce, err := ident.Nonce(rand.Reader)
	if err != nil {
		return writ.BreakGlass{}, none, err
	}
	now := time.Now()
	s := writ.BreakGlassStatement{
		Type: writ.BreakGlassType, Incident: g.incident, Service: g.service, Playbook: text.PlaybookRef, Parameters: parameters, Asker: writ.Person(g.cfg.Person),
		Drill: g.incident == "", Nonce: nonce, NotBefore: writ.Instant(now), Expires: writ.Instant(now.Add(writ.MaxBreakGlassLife)),
	}
	if ask.Statement, err = s.Bytes(); err != nil {
		return writ.BreakGlass{}, none, err
	}
	fmt.Fprintf(a.stderr, "%s\n  %s@%d on %s, until %s\n", bound.Title, pb.Name, pb.Version, g.service, clock(s.Expires))
	sign, err := chooseSigner(ctx, a, g.remote, g.key, g.hardware, approval.NamespaceAsk, approval.SignAsk)
	if err != nil {
		return writ.BreakGlass{}, none, err
	}
	if ask.Signature, err = sign(ask.Statement); err != nil {
		return writ.BreakGlass{}, none, err
	}
	out, err := g.AskBreakGlass(ctx, ask)
	return out, ask, err
}

func runBreakGlassOpen(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "breakglass open", "<playbook> --incident inc_… [--param name=value …] --justification … [--sk]",
		"Asks, as yourself and with a signed proof, for an emergency playbook on one open incident. Somebody else approves it: writ approve.\nWithout an SSH key, and with a passkey, it prints the page where you ask with that.\nIt is good for a quarter of an hour and one run. Those who own the service are told, and a review is owed within 24 hours.")
	g := &glassAsk{}
	g.flags(f)
	incident := f.String("incident", "", "`id` of the open incident")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	g.playbook = rest[0]
	if g.incident, err = writ.ParseIncidentID(*incident); err != nil {
		return &usageError{"--incident must be an incident's id", "writ incident list --state open"}
	}
	if err := g.open(); err != nil {
		return err
	}
	if page, err := g.page(ctx); err != nil || page != "" {
		return cmp.Or(err, a.showPage(g.format, page, "somebody else approves then: writ breakglass list --state asked"))
	}
	if g.why == "" {
		return &usageError{"--justification is missing", `--justification "checkout is down and its on-call plan waits for two owners"`}
	}
	in, err := g.Incident(ctx, g.incident)
	if err != nil {
		return err
	}
	g.service = in.Service
	out, _, err := g.ask(ctx, a)
	if err != nil {
		return err
	}
	return a.print(g.format, out, func() { a.showGlass(out) })
}

func runBreakGlassDrill(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "breakglass drill", "<playbook> --service … [--param name=value …] [--sk]",
		"Exercises break-glass on the real path, once a month: one use of a harmless emergency playbook, which somebody else approves meanwhile,\nand one refusal, of the same ask used again. It waits until both are recorded. The review is owed as after any use.\nWithout an SSH key, and with a passkey, it prints the page where you ask with that.")
	g := &glassAsk{}
	g.flags(f)
	f.StringVar(&g.service, "service", "", "`name` of the service that the playbook is run on")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	g.playbook = rest[0]
	if !writ.IsName(g.service) {
		return &usageError{"--service must name a service", "writ breakglass drill emergency-restart --service canary --param …"}
	}
	if g.why == "" {
		g.why = "drill"
	}
	if err := g.open(); err != nil {
		return err
	}
	if page, err := g.page(ctx); err != nil || page != "" {
		return cmp.Or(err, a.showPage(g.format, page, "when it has run, its page has the other half of the drill: the same ask, refused"))
	}
	out, ask, err := g.ask(ctx, a)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "drill %s: plan %s; somebody else approves it now: writ approve %s\n", out.ID, out.Plan, out.Plan)
	limited, cancel := context.WithDeadline(ctx, out.Expires)
	defer cancel()
	p, err := g.WaitPlan(limited, out.Plan)
	if err != nil {
		return err
	}
	if out, err = g.BreakGlass(ctx, out.ID); err != nil {
		return err
	}
	if out.RunState != writ.RunSucceeded {
		return &exitError{exitFailed, fmt.Sprintf("the drill did not pass: plan %s is %s (%s), its run %s", p.ID, p.State, p.Reason, orDash(string(out.RunState)))}
	}
	switch _, err := g.AskBreakGlass(ctx, ask); {
	case err == nil:
		return &exitError{exitFailed, "the drill did not pass: the same ask was taken twice"}
	case writ.ReasonOf(err) != writ.ReasonBreakGlassReplayed:
		return fmt.Errorf("the drill did not pass: %w", err)
	}
	if out, err = g.BreakGlass(ctx, out.ID); err != nil {
		return err
	}
	if !out.Passed {
		return &exitError{exitFailed, "the drill did not pass: the server has not recorded it"}
	}
	return a.print(g.format, out, func() {
		fmt.Fprintf(a.stdout, "✔ drill %s passed: run %s succeeded, and its ask was refused the second time (%s)\n", out.ID, out.Run, out.Refusal)
		fmt.Fprintf(a.stdout, "  a review is owed until %s: writ breakglass review %s\n", dueAt(out), out.ID)
	})
}

func runBreakGlassList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "breakglass list", "[--state …]", "Lists uses of break-glass, newest first.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`: asked, used (a review is owed), reviewed, over")
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	return printList(a, r.format, r.BreakGlasses(ctx, writ.BreakGlassState(*state)), "BREAK-GLASS\tSTATE\tTEAM\tSERVICE\tPLAYBOOK\tASKED BY\tREVIEW", func(g writ.BreakGlass) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", g.ID, g.State, g.Team, g.Service, writ.Printable(g.Playbook.Name, 60), who(g.Asker), owed(g))
	})
}

func runBreakGlassShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "breakglass show", "<break-glass>", "Shows one use: who asked for it, with which proof, what became of it, and its review.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	id, err := glassID(rest[0])
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	g, err := r.BreakGlass(ctx, id)
	if err != nil {
		return err
	}
	return a.print(r.format, g, func() { a.showGlass(g) })
}

func runBreakGlassReview(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "breakglass review", "<break-glass> --verdict justified|not-justified --note …", "Hands in the look back at one use. Whoever asked for it, or signed it while the control plane was down, does not review it.\nWhile a review is overdue, the team breaks no glass.")
	r := remoteFlags(f)
	verdict := f.String("verdict", "", "justified or not-justified")
	note := f.String("note", "", "what you found, for whoever reads it later")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	id, err := glassID(rest[0])
	if err != nil {
		return err
	}
	v, ok := map[string]writ.ReviewVerdict{"justified": writ.ReviewJustified, "not-justified": writ.ReviewNotJustified}[*verdict]
	switch {
	case !ok:
		return &usageError{"--verdict is justified or not-justified", "writ breakglass show " + string(id)}
	case *note == "":
		return &usageError{"--note is missing", `--note "the owner on call was unreachable; the second approver now is a rota"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	g, err := r.ReviewBreakGlass(ctx, id, v, *note)
	if err != nil {
		return err
	}
	return a.print(r.format, g, func() { fmt.Fprintf(a.stdout, "✔ %s is reviewed: %s\n", g.ID, g.Review.Verdict) })
}

func glassID(s string) (writ.BreakGlassID, error) {
	id, err := writ.ParseBreakGlassID(s)
	if err != nil {
		return "", &usageError{"a break-glass is named by its id: bgl_ and 26 characters", "writ breakglass list"}
	}
	return id, nil
}

// showGlass writes one use for people.
func (a *app) showGlass(g writ.BreakGlass) {
	kind := "break-glass"
	switch {
	case g.Drill:
		kind = "break-glass drill"
	case g.Offline:
		kind = "break-glass while the control plane was down"
	}
	fmt.Fprintf(a.stdout, "%s  %s  %s\n", g.ID, g.State, kind)
	fmt.Fprintf(a.stdout, "  playbook   %s@%d on %s (team %s)\n  incident   %s\n  plan       %s  %s\n", writ.Printable(g.Playbook.Name, 80), g.Playbook.Version, g.Service, g.Team, g.Incident, g.Plan, g.PlanState)
	if g.Offline {
		for _, p := range g.Signers {
			fmt.Fprintf(a.stdout, "  signed by  %s\n", writ.Printable(p.Sub, 80))
		}
	} else {
		note := ""
		if g.Proof.Strength() < writ.ProofB.Strength() {
			note = " (below the default, A or B: the server's configuration takes it)"
		}
		fmt.Fprintf(a.stdout, "  asked by   %s at %s, proof %s%s\n", who(g.Asker), clock(g.AskedAt), g.Proof, note)
	}
	if g.Justification != "" {
		fmt.Fprintf(a.stdout, "  because    %s\n", writ.Printable(g.Justification, 400))
	}
	if g.Run != "" {
		fmt.Fprintf(a.stdout, "  run        %s  %s\n", g.Run, g.RunState)
	} else if g.State == writ.BreakGlassAsked {
		fmt.Fprintf(a.stdout, "  next       until %s somebody else: writ approve %s\n", clock(g.Expires), g.Plan)
	}
	if g.Drill && g.Passed {
		fmt.Fprintf(a.stdout, "  drill      passed; its second use was refused (%s)\n", g.Refusal)
	}
	if r := g.Review; r != nil {
		fmt.Fprintf(a.stdout, "  reviewed   %s by %s at %s: %s\n", r.Verdict, who(r.By), r.At.UTC().Format(time.RFC3339), writ.Printable(r.Note, 400))
	} else if g.ReviewDue != nil {
		fmt.Fprintf(a.stdout, "  review     %s: writ breakglass review %s\n", owed(g), g.ID)
	}
}

func owed(g writ.BreakGlass) string {
	switch {
	case g.Review != nil:
		return string(g.Review.Verdict)
	case g.Overdue:
		return "OVERDUE since " + dueAt(g)
	case g.ReviewDue != nil:
		return "due " + dueAt(g)
	}
	return "-"
}

func dueAt(g writ.BreakGlass) string {
	if g.ReviewDue == nil {
		return "-"
	}
	return g.ReviewDue.UTC().Format("2006-01-02 15:04Z")
}

// glance shows what of break-glass waits for people.
func (a *app) glance(s writ.Status) {
	g := s.BreakGlass
	if g == nil {
		return
	}
	for i, id := range g.Owed {
		word := "REVIEW"
		if i < g.Overdue {
			word = "OVERDUE REVIEW"
		}
		fmt.Fprintf(a.stdout, "%s of break-glass %s: writ breakglass show %s, then writ breakglass review\n", word, id, id)
	}
}

// drills shows when break-glass was last exercised.
func (a *app) drills(s writ.Status) {
	g := s.BreakGlass
	if g == nil {
		return
	}
	last, next := "never", "now"
	if g.LastDrill != nil {
		last = g.LastDrill.UTC().Format("2006-01-02")
	}
	if g.DrillDue != nil {
		next = g.DrillDue.UTC().Format("2006-01-02")
	}
	late := ""
	if g.Late {
		late = "  DRILL DUE: writ breakglass drill"
	}
	fmt.Fprintf(a.stdout, "break-glass: %d asked for, %d reviews owed, %d of them overdue · ask proof %s · last drill %s, next %s%s\n", g.Open, len(g.Owed), g.Overdue, g.AskProof, last, next, late)
}

// chooseSigner is chooseKey for a statement of another purpose than an approval.
func chooseSigner(ctx context.Context, a *app, r *remote, file string, hardware bool, namespace string, plain plainSigner) (func([]byte) (string, error), error) {
	if file == "" && r != nil {
		file = r.cfg.Path(r.cfg.SSHKey)
	}
	if file == "" {
		return nil, &usageError{"no SSH key to sign with", "--key FILE"}
	}
	if hardware {
		fmt.Fprintln(a.stderr, "Touch your security key when it blinks.")
		return func(statement []byte) (string, error) { return keygen(ctx, a.stderr, file, namespace, statement) }, nil
	}
	signer, err := loadSSHKey(a, file)
	if err != nil {
		return nil, err
	}
	return func(statement []byte) (string, error) { return plain(statement, signer, rand.Reader) }, nil
}

type plainSigner = func(statement []byte, signer ssh.Signer, rand io.Reader) (string, error)
