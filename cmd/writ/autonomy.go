package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
)

func runPlaybookRecord(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook record", "[playbook] [--service …]", "Shows what became of playbooks on services: their runs, where each stands, and what Writ proposes.\nA playbook that has not run on a service has no record there.")
	r := remoteFlags(f)
	service := f.String("service", "", "only on this `service`")
	rest, err := f.parseSome(args, 1)
	if err != nil {
		return err
	}
	playbook := ""
	if len(rest) > 0 {
		playbook = rest[0]
	}
	if err := r.open(); err != nil {
		return err
	}
	return printList(a, r.format, r.PlaybookRecords(ctx, playbook, *service), "PLAYBOOK\tSERVICE\tSTANDS\tRUNS\tVERIFIED\tUNDONE\tUNCERTAIN\tHARM\tASKED\tSAVED\tPROPOSED", func(b writ.PlaybookRecord) string {
		return fmt.Sprintf("%s\t%s\t%s (own %s)\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s", b.Playbook, b.Service, b.Stands, b.Own, b.Runs, b.Verified, b.Undone, b.Uncertain, b.Harm, b.Asked,
			time.Duration(b.SavedSeconds())*time.Second, proposed(b))
	})
}

// proposed says what Writ proposes of a record, and what it takes.
func proposed(b writ.PlaybookRecord) string {
	m := b.Proposed
	if m == nil {
		return "-"
	}
	return fmt.Sprintf("%s to %s: %d of %d people of %s have decided", m.From, m.To, len(m.Answers), m.Needs, b.Owner)
}

func runAgentRecord(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "agent record", "[name]", "Shows what became of what agents asked for; with a name, also why that one was refused what, and how much of its limits it uses. One whose balance falls to -2 makes no change alone until a person restores it.")
	r := remoteFlags(f)
	rest, err := f.parseSome(args, 1)
	if err != nil {
		return err
	}
	name := ""
	if len(rest) > 0 {
		name = rest[0]
	}
	if err := r.open(); err != nil {
		return err
	}
	if name != "" && r.format == "text" {
		for g, err := range r.AgentRecords(ctx, name) {
			if err != nil {
				return err
			}
			a.printAgentRecord(g)
		}
		return nil
	}
	return printList(a, r.format, r.AgentRecords(ctx, name), "AGENT\tTEAM\tALONE\tBALANCE\tPROPOSED\tRUNS\tHELD\tUNDONE\tUNCERTAIN\tHARM\tDENIED\tREJECTED", func(g writ.AgentRecord) string {
		return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d", g.Name, g.Team, alone(g), g.Balance, g.Proposals, g.Runs, g.Verified, g.Undone, g.Uncertain, g.Harm, g.Denied, g.Rejected)
	})
}

// A decider is what decisions on autonomy have in common.
type decider struct {
	*remote
	reason, key string
	hardware    bool
}

func deciderFlags(f *flags) *decider {
	d := &decider{remote: remoteFlags(f)}
	f.StringVar(&d.reason, "reason", "", "why; stays off the ledger")
	f.StringVar(&d.key, "key", "", "SSH key `file`; default the configuration's ssh_key")
	f.BoolVar(&d.hardware, "sk", false, "sign through ssh-keygen: for a key in hardware, which asks for touch and PIN, or in an agent")
	return d
}

// decide signs a decision on the record that was shown, and sends it.
func (d *decider) decide(ctx context.Context, a *app, s writ.AutonomyStatement) (out writ.AutonomyOutcome, err error) {
	s.Type, s.Person = writ.AutonomyType, writ.Person(d.cfg.Person)
	if s.Nonce, err = ident.Nonce(rand.Reader); err != nil {
		return out, err
	}
	now := time.Now()
	s.NotBefore, s.Expires = writ.Instant(now), writ.Instant(now.Add(writ.MaxAutonomyLife))
	b, err := s.Bytes()
	if err != nil {
		return out, err
	}
	sign, err := chooseSigner(ctx, a, d.remote, d.key, d.hardware, approval.NamespaceAutonomy, approval.SignAutonomy)
	if err != nil {
		return out, err
	}
	sig, err := sign(b)
	if err != nil {
		return out, err
	}
	return d.DecideAutonomy(ctx, writ.AutonomyAsk{Statement: b, Signature: sig, Reason: d.reason})
}

// same demands that a record has the digest that the server names: what is signed for is what was shown.
func same(named writ.Digest, evidence func() (writ.Digest, error)) error {
	got, err := evidence()
	if err == nil && !got.Equal(named) {
		err = &exitError{exitDiffers, "the record does not have the digest that the server names; nothing was signed"}
	}
	return err
}

func runPlaybookAutonomy(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook autonomy", "<playbook> --service … --to T1 --reason … [--sk]",
		"Decides, as a person of the team that owns the service and by a signature, that a playbook moves by one tier there.\nLess autonomy takes one person. More takes a proposal by Writ and, from T2 on, two; nothing goes below the playbook's own tier.\nA passkey decides at the approving origin: the playbook's page links there.")
	d := deciderFlags(f)
	service := f.String("service", "", "`name` of the service")
	to := f.String("to", "", "the `tier` that it is to stand at: one above or below where it stands")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	tier, err := writ.ParseTier(*to)
	switch {
	case !writ.IsName(*service):
		return &usageError{"--service must name a service", "writ playbook record " + writ.Printable(rest[0], 60)}
	case err != nil:
		return &usageError{"--to is one of T1, T2, T3, T4", "writ playbook record " + writ.Printable(rest[0], 60)}
	case d.reason == "":
		return &usageError{"--reason is missing", `--reason "ten verified runs, and the flaky check is gone"`}
	}
	if err := d.open(); err != nil {
		return err
	}
	for b, err := range d.PlaybookRecords(ctx, rest[0], *service) {
		if err != nil {
			return err
		}
		if err := same(b.Digest, b.Evidence); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "%s on %s: %s to %s\n  %s\n", b.Playbook, b.Service, b.Stands, tier, tally(b.Tally))
		out, err := d.decide(ctx, a, writ.AutonomyStatement{Playbook: b.Playbook, Service: b.Service, From: b.Stands, To: tier, Record: b.Digest})
		if err != nil {
			return err
		}
		return a.print(d.format, out, func() {
			fmt.Fprintf(a.stdout, "✔ decided; %s stands at %s on %s", out.Playbook.Playbook, out.Playbook.Stands, out.Playbook.Service)
			if out.Playbook.Proposed != nil {
				fmt.Fprintf(a.stdout, ", %s", proposed(*out.Playbook))
			}
			fmt.Fprintln(a.stdout)
		})
	}
	return fmt.Errorf("%w: playbook %s has no record on %s", writ.ErrNotFound, writ.Printable(rest[0], 60), *service)
}

func runAgentRestore(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "agent restore", "<name> --reason … [--sk]",
		"Gives T1 back to an agent whose record turned negative, by your signature. You must be of its team, and not be the one who answers for it.\nIts balance begins anew; what it did stays in its record.\nA passkey decides at the approving origin: the agents' page links there.")
	d := deciderFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if d.reason == "" {
		return &usageError{"--reason is missing", `--reason "its new version reads the rollout before it restarts"`}
	}
	if err := d.open(); err != nil {
		return err
	}
	for g, err := range d.AgentRecords(ctx, rest[0]) {
		if err != nil {
			return err
		}
		if err := same(g.Digest, g.Evidence); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "agent %s of team %s\n  %s, %d denied, %d rejected\n", g.Name, g.Team, tally(g.Tally), g.Denied, g.Rejected)
		out, err := d.decide(ctx, a, writ.AutonomyStatement{Agent: &g.Agent, From: writ.T2, To: writ.T1, Record: g.Digest})
		if err != nil {
			return err
		}
		return a.print(d.format, out, func() { fmt.Fprintf(a.stdout, "✔ agent %s may make low-risk changes alone again\n", out.Agent.Name) })
	}
	return fmt.Errorf("%w: there is no agent %s", writ.ErrNotFound, writ.Printable(rest[0], 60))
}

func tally(t writ.Tally) string {
	return fmt.Sprintf("%d runs: %d verified, %d undone, %d uncertain, %d stopped, %d failed, %d harm", t.Runs, t.Verified, t.Undone, t.Uncertain, t.Stopped, t.Failed, t.Harm)
}
