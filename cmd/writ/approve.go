package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/plan"
)

// statementLife is how long a statement counts before the plan must have its grant.
const statementLife = 30 * time.Minute

func runApprove(ctx context.Context, a *app, args []string) error {
	return answer(ctx, a, args, writ.Approve)
}

func runReject(ctx context.Context, a *app, args []string) error {
	return answer(ctx, a, args, writ.Reject)
}

// answer shows the plan from the bytes that it will sign for, asks, signs and sends.
func answer(ctx context.Context, a *app, args []string, verdict writ.Answer) error {
	f := newFlags(a, string(verdict), "<plan> [--as owner|oncall] [--reason …] [--digest sha256:… when not on a terminal]",
		"Shows the plan and signs your answer over its digest with your SSH key.")
	r := remoteFlags(f)
	reason := f.String("reason", "", "why, for the people who read the incident later")
	slot := f.String("as", "", "in whose name you answer: owner or oncall; default what the plan needs")
	digest := f.String("digest", "", "the plan's `digest`, as plan show prints it; required when standard input is no terminal")
	typed := f.String("typed", "", "T4: the name of the first object that the plan changes, typed by you")
	key := f.String("key", "", "SSH key `file`; default the configuration's ssh_key")
	hardware := f.Bool("sk", false, "sign through ssh-keygen: for a key in hardware (ssh-keygen -t ed25519-sk -O verify-required), which asks for touch and PIN, or in an agent")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if _, err := writ.ParsePolicyChangeID(rest[0]); err == nil {
		return &usageError{"this is a change of the policy set", fmt.Sprintf("writ policy %s %s", verdict, rest[0])}
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.plan(ctx, rest[0])
	if err != nil {
		return err
	}
	if p.State != writ.PlanWaiting {
		return &exitError{exitDenied, fmt.Sprintf("the plan is %s and waits for nobody", p.State)}
	}
	if len(p.Bytes) == 0 { // the server gives them to people
		return &exitError{exitDenied, "only a person can approve or reject a plan; this configuration calls as somebody else"}
	}
	// Nothing the server says about the plan counts but its bytes, hashed here.
	got, d, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return err
	}
	if !d.Equal(p.Digest) || got.ID != p.ID {
		return &exitError{exitDiffers, "the plan's bytes do not have the digest that the server names; nothing was signed"}
	}
	fmt.Fprint(a.stderr, plan.Text(got, d))
	for _, q := range p.EvidenceAsked {
		fmt.Fprintf(a.stderr, "  Asked     %q  by %s at %s; read since: %d\n", writ.Printable(q.Text, 400), who(q.By), clock(q.At), len(p.EvidenceSince))
	}
	if p.Claim != "" {
		fmt.Fprintf(a.stderr, "  Claim     %q  written by %s, not verified\n", writ.Printable(p.Claim, 400), who(p.Requester))
	}
	p.Plan = &got // of the bytes; the tier in force is the server's word, to which the runner holds the answer
	fmt.Fprint(a.stderr, tierText(p))
	a.answering(p)
	if err := typedName(p, verdict, *typed); err != nil {
		return err
	}
	if err := confirm(a, d, *digest, verdict); err != nil {
		return err
	}
	sign, err := chooseKey(ctx, a, r, *key, *hardware)
	if err != nil {
		return err
	}
	if *slot == "" {
		*slot = chooseSlot(p.Needs)
	}
	nonce, err := ident.Nonce(rand.Reader)
	if err != nil {
		return err
	}
	s, err := approval.New(got, d, approval.Ask{
		Answer: verdict, Person: writ.Person(r.cfg.Person), Slot: *slot, Tier: p.Tier(), Typed: *typed, Now: time.Now(), Life: statementLife, Nonce: nonce,
	})
	if err != nil {
		return err
	}
	statement, err := s.Bytes()
	if err != nil {
		return err
	}
	signature, err := sign(statement)
	if err != nil {
		return err
	}
	after, err := r.Approve(ctx, p.ID, d, statement, signature, *reason)
	if err != nil {
		return err
	}
	return a.print(r.format, after, func() {
		word := map[writ.Answer]string{writ.Approve: "approved", writ.Reject: "rejected"}[verdict]
		fmt.Fprintf(a.stdout, "✔ %s by %s as %s: plan %s is %s\n", word, r.cfg.Person.Sub, *slot, after.ID, after.State)
		if after.Run != "" {
			fmt.Fprintf(a.stderr, "hint: writ run watch %s\n", after.Run)
		}
		if after.State == writ.PlanReady {
			fmt.Fprintf(a.stderr, "hint: %s\n", writ.Printable(after.Hint, 400))
		}
	})
}

// confirm asks a person on a terminal for the end of the digest, and demands the whole of it from a script.
func confirm(a *app, d writ.Digest, given string, verdict writ.Answer) error {
	if given != "" {
		want, err := writ.ParseDigest(given)
		if err != nil {
			return &usageError{"--digest must be sha256: and 64 hexadecimal digits", ""}
		}
		if !want.Equal(d) {
			return &exitError{exitDiffers, fmt.Sprintf("the plan's digest is now %s; read it again before you answer", d)}
		}
		return nil
	}
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return &usageError{"not on a terminal: name the digest that you have read", fmt.Sprintf("--digest %s", d)}
	}
	tail := d.String()[len(d.String())-4:]
	fmt.Fprintf(a.stderr, "\nType %s (the digest's last four characters) to %s: ", tail, verdict)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != tail {
		return &exitError{exitFailed, "not confirmed; nothing was signed"}
	}
	return nil
}

func chooseSlot(need writ.Requirements) string {
	for _, s := range []string{"owner", "oncall"} {
		if need.Approvals[s] > 0 {
			return s
		}
	}
	return "owner"
}

// chooseKey returns what signs a statement: a key file, or ssh-keygen with a key in hardware or in an agent.
func chooseKey(ctx context.Context, a *app, r *remote, file string, hardware bool) (func([]byte) (string, error), error) {
	if file == "" {
		file = r.cfg.Path(r.cfg.SSHKey)
	}
	if file == "" {
		return nil, &usageError{"no SSH key to sign with", "--key FILE, or ssh_key in " + r.config}
	}
	if hardware {
		fmt.Fprintln(a.stderr, "Touch your security key when it blinks.")
		return func(statement []byte) (string, error) {
			return keygen(ctx, a.stderr, file, approval.Namespace, statement)
		}, nil
	}
	signer, err := loadSSHKey(a, file)
	if err != nil {
		return nil, err
	}
	return func(statement []byte) (string, error) { return approval.Sign(statement, signer, rand.Reader) }, nil
}

// keygen lets OpenSSH's own ssh-keygen sign a statement. It talks to the hardware and asks for the PIN on the terminal.
func keygen(ctx context.Context, progress io.Writer, file, namespace string, statement []byte) (string, error) {
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", file)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(statement), progress
	out, err := cmd.Output()
	if err != nil {
		return "", &exitError{exitFailed, fmt.Sprintf("ssh-keygen did not sign with %s: %v; nothing was sent", file, err)}
	}
	return string(out), nil
}

// loadSSHKey reads a private key, asking for its passphrase on a terminal.
func loadSSHKey(a *app, file string) (ssh.Signer, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	signer, err := ssh.ParsePrivateKey(b)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); !locked {
		if err != nil {
			return nil, fmt.Errorf("%w: %s is not a private SSH key in a file (--sk signs with one in hardware)", writ.ErrInvalid, file)
		}
		return signer, nil
	}
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, &usageError{"the SSH key has a passphrase, and this is no terminal", ""}
	}
	fmt.Fprintf(a.stderr, "Passphrase of %s: ", file)
	pass, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return nil, err
	}
	defer clear(pass)
	if signer, err = ssh.ParsePrivateKeyWithPassphrase(b, pass); err != nil {
		return nil, &exitError{exitFailed, "wrong passphrase; nothing was signed"}
	}
	return signer, nil
}
