package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/policy"
)

func runPolicyPublish(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "policy publish", "<dir> [--because …]",
		"Proposes to put a policy set in force. The server refuses one that too few owners signed, that does not load there, of which a test fails or a limit or requirement decides in no test alone, or whose version is not above every version that was in force.\nIt searches for what the set would decide differently, decides recorded decisions again under it, and asks two other people: writ policy approve.\nTo put an older set back, fetch it, sign it under a new version, and publish it.")
	r := remoteFlags(f)
	because := f.String("because", "", "why, for the people who are asked")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	in, err := setIn(rest[0])
	if err != nil {
		return err
	}
	sources, signature, err := policy.ReadSources(in)
	if err != nil {
		return err
	}
	if len(signature) == 0 {
		return &usageError{"the set is not signed: " + policy.FileSignature + " is missing", fmt.Sprintf("writ policy sign %s --key owner.pem --version N", rest[0])}
	}
	if err := r.open(); err != nil {
		return err
	}
	s, err := r.ProposePolicy(ctx, writ.PolicyFiles{Files: sources, Signature: signature}, *because)
	if writ.ReasonOf(err) == writ.ReasonPolicyTests || writ.ReasonOf(err) == writ.ReasonPolicySet {
		return &exitError{exitDiffers, err.Error()} // the set, not the call, is at fault
	}
	if err != nil {
		return err
	}
	return a.print(r.format, s, func() { a.showChange(s) })
}

func runPolicyChanges(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "policy changes", "[--state …]", "Lists changes of the policy set, newest first.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`: waiting, in_force, rejected, withdrawn, expired, stale")
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	return printList(a, r.format, r.PolicyChanges(ctx, writ.PolicyChangeState(*state)), "CHANGE\tSTATE\tVERSION\tPROPOSED BY\tAPPROVALS\tANSWER BEFORE", func(s writ.PolicyChangeStatus) string {
		return fmt.Sprintf("%s\t%s\t%d → %d\t%s\t%d of %d\t%s", s.ID, s.State, s.Change.Base.Version, s.Change.Next.Version, writ.Printable(s.Change.Proposer.Sub, 60), approvals(s), s.Change.Needs.Approvals, clock(s.Change.NotAfter))
	})
}

func approvals(s writ.PolicyChangeStatus) int {
	n := 0
	for _, x := range s.Answers {
		if x.Answer == writ.Approve {
			n++
		}
	}
	return n
}

func runPolicyShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "policy show", "<change>", "Shows a change of the policy set: files and rules that differ, what a search found, what recorded decisions would have been, and who has answered.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	s, err := r.change(ctx, rest[0])
	if err != nil {
		return err
	}
	return a.print(r.format, s, func() { a.showChange(s) })
}

// change fetches one, and believes its bytes alone, hashed here.
func (r *remote) change(ctx context.Context, name string) (writ.PolicyChangeStatus, error) {
	id, err := writ.ParsePolicyChangeID(name)
	if err != nil {
		return writ.PolicyChangeStatus{}, &usageError{"a change is named by its id: pch_ and 26 characters", "writ policy changes"}
	}
	if err := r.open(); err != nil {
		return writ.PolicyChangeStatus{}, err
	}
	s, err := r.PolicyChange(ctx, id)
	if err != nil {
		return s, err
	}
	got, digest, err := writ.ParsePolicyChange(s.Bytes)
	if err != nil {
		return s, err
	}
	if !digest.Equal(s.Digest) || got.ID != id {
		return s, &exitError{exitDiffers, "the change's bytes do not have the digest that the server names"}
	}
	s.Change = got
	return s, nil
}

func runPolicyApprove(ctx context.Context, a *app, args []string) error {
	return answerPolicy(ctx, a, args, writ.Approve)
}

func runPolicyReject(ctx context.Context, a *app, args []string) error {
	return answerPolicy(ctx, a, args, writ.Reject)
}

// answerPolicy shows the change from the bytes that it will sign for, asks, signs and sends.
func answerPolicy(ctx context.Context, a *app, args []string, verdict writ.Answer) error {
	f := newFlags(a, "policy "+string(verdict), "<change> [--digest sha256:… when not on a terminal]", "Shows a change of the policy set and signs your answer over its digest with your SSH key. Nobody answers the change that they proposed.\nThe last approval that it needs puts the set in force; one rejection ends it.")
	r := remoteFlags(f)
	digest := f.String("digest", "", "the change's `digest`, as policy show prints it; required when standard input is no terminal")
	key := f.String("key", "", "SSH key `file`; default the configuration's ssh_key")
	hardware := f.Bool("sk", false, "sign through ssh-keygen: for a key in hardware, which asks for touch and PIN, or in an agent")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	s, err := r.change(ctx, rest[0])
	if err != nil {
		return err
	}
	if s.State != writ.PolicyWaiting {
		return &exitError{exitDenied, fmt.Sprintf("the change is %s and waits for nobody", s.State)}
	}
	fmt.Fprint(a.stderr, changeText(s.Change, s.Digest))
	if err := confirm(a, s.Digest, *digest, verdict); err != nil {
		return err
	}
	sign, err := chooseSigner(ctx, a, r, *key, *hardware, approval.NamespacePolicy, approval.SignPolicy)
	if err != nil {
		return err
	}
	nonce, err := ident.Nonce(rand.Reader)
	if err != nil {
		return err
	}
	st, err := approval.NewPolicy(s.Change, s.Digest, verdict, writ.Person(r.cfg.Person), time.Now(), nonce)
	if err != nil {
		return err
	}
	var signed writ.Approval
	if signed.Statement, err = st.Bytes(); err != nil {
		return err
	}
	if signed.Signature, err = sign(signed.Statement); err != nil {
		return err
	}
	after, err := r.AnswerPolicy(ctx, s.ID, signed)
	if err != nil {
		return err
	}
	return a.print(r.format, after, func() {
		fmt.Fprintf(a.stdout, "✔ %s by %s: change %s is %s\n", map[writ.Answer]string{writ.Approve: "approved", writ.Reject: "rejected"}[verdict], r.cfg.Person.Sub, after.ID, after.State)
		if after.State == writ.PolicyInForce {
			fmt.Fprintf(a.stdout, "  version %d is in force\n", after.Change.Next.Version)
		}
	})
}

func runPolicyWithdraw(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "policy withdraw", "<change>", "Takes a change of the policy set back: whoever proposed it, or could approve it.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	s, err := r.change(ctx, rest[0])
	if err != nil {
		return err
	}
	if s, err = r.WithdrawPolicy(ctx, s.ID); err != nil {
		return err
	}
	return a.print(r.format, s, func() { fmt.Fprintf(a.stdout, "✔ change %s is %s\n", s.ID, s.State) })
}

func runPolicyFetch(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "policy fetch", "<version | change | current> <dir>", "Writes the files of a set that was in force, or is proposed, into a new directory, with its signatures: to read it, to compare it (writ policy diff), or to sign it under a new version and so take the set back.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 2)
	if err != nil {
		return err
	}
	s, err := r.PolicySet(ctx, rest[0])
	if err != nil {
		return err
	}
	if err := os.Mkdir(rest[1], 0o755); err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	s.Files[policy.FileSignature] = s.Signature
	for _, name := range sortedKeys(s.Files) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return &exitError{exitDiffers, fmt.Sprintf("the server names the file %q, which lies outside of the directory", writ.Printable(name, 80))}
		}
		path := filepath.Join(rest[1], filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := durable.WriteFile(path, s.Files[name], 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stdout, "✔ version %d, %d files in %s\n", s.Version, len(s.Files)-1, rest[1])
	return nil
}

// policyWaits names the changes that wait for people, and what is observed only.
func (a *app) policyWaits(s writ.Status) {
	for _, id := range s.PolicyChanges {
		fmt.Fprintf(a.stdout, "POLICY CHANGE %s waits for approval: writ policy show %s, then writ policy approve\n", id, id)
	}
	if len(s.Observed) > 0 {
		fmt.Fprintf(a.stdout, "observed only, never run: %s\n", strings.Join(s.Observed, ", "))
	}
}

func (a *app) showChange(s writ.PolicyChangeStatus) {
	fmt.Fprintf(a.stdout, "%s  %s\n%s", s.ID, s.State, changeText(s.Change, s.Digest))
	if s.Because != "" {
		fmt.Fprintf(a.stdout, "  Because    %q\n", writ.Printable(s.Because, 400))
	}
	for _, x := range s.Answers {
		fmt.Fprintf(a.stdout, "  Answer     %s by %s at %s, proof %s\n", x.Answer, writ.Printable(x.Approver.Sub, 80), clock(x.At), x.Proof)
	}
	if s.Detail != "" {
		fmt.Fprintf(a.stdout, "  Ended      %s\n", writ.Printable(s.Detail, 200))
	}
	if s.State == writ.PolicyWaiting {
		fmt.Fprintf(a.stdout, "  Next       writ policy fetch %s <dir>; two people of %s: writ policy approve %s\n", s.ID, s.Change.Needs.Group, s.ID)
	}
}

// changeText is a change for people, from its bytes.
func changeText(c writ.PolicyChange, digest writ.Digest) string {
	var w strings.Builder
	fmt.Fprintf(&w, "  Change     policy version %d → %d, signed by %d of its owners\n", c.Base.Version, c.Next.Version, len(c.Signers))
	if c.Restores > 0 {
		fmt.Fprintf(&w, "  Restores   the files of version %d\n", c.Restores)
	}
	fmt.Fprintf(&w, "  Proposed   by %s at %s; unanswered until %s means no\n", writ.Printable(c.Proposer.Sub, 80), clock(c.MadeAt), clock(c.NotAfter))
	fmt.Fprintf(&w, "  Needs      %d people of %s, not who proposed it, proof %s\n", c.Needs.Approvals, c.Needs.Group, c.Needs.Proof)
	for _, f := range c.Files {
		fmt.Fprintf(&w, "  File       %-8s %s\n", f.Edit, writ.Printable(f.Path, 120))
	}
	for _, r := range c.Rules {
		fmt.Fprintf(&w, "  Rule       %-8s %s\n", r.Edit, writ.Printable(r.ID, 120))
	}
	fmt.Fprintf(&w, "  Tests      %d pass, %d rules covered\n", c.Tests.Cases, c.Tests.Rules)
	mark := func(wider bool) string {
		if wider {
			return "!"
		}
		return "·"
	}
	for _, x := range c.Search.Found {
		fmt.Fprintf(&w, "  %s Search   %s where %s: %s → %s\n", mark(x.Wider), x.Kind, strings.Join(x.Rules, ", "), writ.Printable(x.Before, 160), writ.Printable(x.After, 160))
	}
	if len(c.Search.Found) == 0 {
		fmt.Fprintf(&w, "  Search     no request found among %d that is decided differently\n", c.Search.Tried)
	}
	for _, x := range c.Simulation.Rows {
		fmt.Fprintf(&w, "  · Recorded %s: %s of %s: %s → %s\n", x.Kind, writ.Printable(x.Playbook, 60), writ.Printable(x.Service, 60), writ.Printable(x.Before, 160), writ.Printable(x.After, 160))
	}
	fmt.Fprintf(&w, "  %s Replay   %d recorded decisions, %d of them differently; each by itself\n", mark(c.Simulation.Wider), c.Simulation.Decisions, c.Simulation.Decisions-c.Simulation.Counts["same"])
	fmt.Fprintf(&w, "  Digest     %s\n", digest)
	return w.String()
}
