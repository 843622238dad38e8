package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/runner"
)

// maxRequestFile bounds a request or a signature that is read from a file: a plan, in base64, and some.
const maxRequestFile = 1 << 20

// console speaks to the runner on this host through its socket.
type console struct{ http *http.Client }

func dialConsole(file string) (*console, error) {
	c, err := config.LoadRunner(file)
	if err != nil {
		return nil, err
	}
	if c.BreakGlass == nil {
		return nil, &usageError{"the runner's configuration has no breakglass section", "breakglass: {socket: …, playbooks: […]}, then start the runner again"}
	}
	path := c.Path(c.BreakGlass.Socket)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &console{&http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 2 * time.Minute}}, nil
}

func (c *console) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://runner"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: the runner does not answer on its socket: is it running, and is this its account? (%w)", writ.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxRequestFile))
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	if resp.StatusCode == http.StatusOK {
		return json.Unmarshal(b, out)
	}
	var p runner.ConsoleProblem
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%w: the runner answered %s", writ.ErrUnavailable, resp.Status)
	}
	kind := writ.ErrDenied
	switch resp.StatusCode {
	case http.StatusBadRequest:
		kind = writ.ErrInvalid
	case http.StatusNotFound:
		kind = writ.ErrNotFound
	case http.StatusInternalServerError:
		kind = writ.ErrUnavailable
	}
	return &writ.Refusal{Code: p.Code, Kind: kind, Detail: writ.Printable(p.Detail, 400), Hint: p.Hint}
}

func runRunnerBreakGlass(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "runner breakglass", "<playbook> -c runner.yaml --service … [--param name=value …] [-f request.json]",
		"On the host of a runner whose control plane is down: makes one exact plan of an emergency playbook by reading alone, shows it, and\nwrites what people sign. It runs nothing. It is good for an hour: writ breakglass sign, then writ runner breakglass run.")
	file := f.String("c", "runner.yaml", "the runner's configuration `file`")
	service := f.String("service", "", "`name` of the service, as the trust file's emergency section names it")
	to := f.String("f", "", "write the request to this `file`; default standard output")
	var params words
	f.Var(&params, "param", "a parameter, `name=value`; may be repeated")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	ask := runner.OfflineAsk{Service: *service, Playbook: rest[0]}
	if ask.Parameters, err = parameters(params); err != nil {
		return err
	}
	c, err := dialConsole(*file)
	if err != nil {
		return err
	}
	var q runner.OfflineRequest
	if err := c.do(ctx, http.MethodPost, runner.ConsolePlan, ask, &q); err != nil {
		return err
	}
	if err := showRequest(a, q); err != nil {
		return err
	}
	b, err := json.MarshalIndent(q, "", "  ")
	if err != nil {
		return err
	}
	if *to == "" {
		fmt.Fprintf(a.stdout, "%s\n", b)
		return nil
	}
	if err := os.WriteFile(*to, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	fmt.Fprintf(a.stdout, "runner  %s\nplan    %s\nnonce   %s\ndigest  %s\nexpires %s\nsigned by %d different people: writ breakglass sign %s\n", q.Runner, q.Plan, q.Nonce, q.Digest, clock(q.Expires), q.Need, *to)
	return nil
}

// showRequest shows the plan from the bytes that are signed for, and refuses a request that does not fit them.
func showRequest(a *app, q runner.OfflineRequest) error {
	p, d, err := writ.ParsePlan(q.Bytes)
	if err != nil {
		return err
	}
	s, err := writ.ParseOfflineStatement(q.Statement)
	if err != nil {
		return err
	}
	if s != writ.OfflineOf(p, d) || p.Emergency == nil || !p.Emergency.Offline || !d.Equal(q.Digest) || q.Nonce != p.Nonce {
		return &exitError{exitDiffers, "the request's statement is not about the plan in it; nothing was signed"}
	}
	fmt.Fprint(a.stderr, plan.Text(p, d))
	return nil
}

func readJSON(file string, v any) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRequestFile+1))
	if err == nil && len(b) > maxRequestFile {
		err = errors.New("the file is too long")
	}
	if err == nil {
		err = canon.ParseLoose(b, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", writ.ErrInvalid, file, err)
	}
	return nil
}

func runBreakGlassSign(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "breakglass sign", "<request.json> [-f signature.json] [--digest sha256:… when not on a terminal] [--key file] [--sk]",
		"Shows a plan that a cut-off runner has made, and signs it with your security key. It asks no server.")
	r := remoteFlags(f)
	to := f.String("f", "", "write the signature to this `file`; default standard output")
	digest := f.String("digest", "", "the plan's `digest`, as it was read to you; required when standard input is no terminal")
	key := f.String("key", "", "SSH key `file`; default the configuration's ssh_key")
	hardware := f.Bool("sk", false, "sign through ssh-keygen: for a key in hardware, which asks for touch and PIN, or in an agent")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *key == "" {
		if err := r.open(); err != nil {
			return err
		}
	} else {
		r = nil
	}
	var q runner.OfflineRequest
	if err := readJSON(rest[0], &q); err != nil {
		return err
	}
	if err := showRequest(a, q); err != nil {
		return err
	}
	if !time.Now().Before(q.Expires) {
		return &exitError{exitDenied, "the request has expired; make a new one on the runner's host"}
	}
	if err := confirm(a, q.Digest, *digest, writ.Approve); err != nil {
		return err
	}
	sign, err := chooseSigner(ctx, a, r, *key, *hardware, approval.NamespaceOffline, approval.SignOffline)
	if err != nil {
		return err
	}
	signature, err := sign(q.Statement)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(runner.OfflineAnswer{Statement: q.Statement, Signatures: []string{signature}}, "", "  ")
	if err != nil {
		return err
	}
	if *to == "" {
		fmt.Fprintf(a.stdout, "%s\n", b)
		return nil
	}
	if err := os.WriteFile(*to, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	fmt.Fprintf(a.stdout, "✔ signed: bring %s to the runner's host: writ runner breakglass run\n", *to)
	return nil
}

func runRunnerBreakGlassRun(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "runner breakglass run", "<signature.json …> -c runner.yaml [-o json]",
		"Hands the signatures of one request to the runner on this host, which checks them against its own trust file, runs that one plan, and\nwaits for its end. The ledger hears of it when the control plane is back.")
	file := f.String("c", "runner.yaml", "the runner's configuration `file`")
	format := f.String("o", "text", "output: text or json")
	wait := f.Duration("wait", 10*time.Minute, "how long to follow it")
	rest, err := f.parse(args, -1)
	if err != nil {
		return err
	}
	var all runner.OfflineAnswer
	for _, name := range rest {
		var one runner.OfflineAnswer
		if err := readJSON(name, &one); err != nil {
			return err
		}
		if all.Statement == nil {
			all.Statement = one.Statement
		}
		if !bytes.Equal(all.Statement, one.Statement) {
			return &usageError{"the signatures are of different requests", "name those of one request"}
		}
		all.Signatures = append(all.Signatures, one.Signatures...)
	}
	c, err := dialConsole(*file)
	if err != nil {
		return err
	}
	var out runner.OfflineRun
	if err := c.do(ctx, http.MethodPost, runner.ConsoleRun, all, &out); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "run %s of plan %s has begun\n", out.Run, out.Plan)
	for deadline := time.Now().Add(*wait); !out.Ended && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
		if err := c.do(ctx, http.MethodGet, runner.ConsoleShow+string(out.Run), nil, &out); err != nil {
			return err
		}
	}
	err = a.print(*format, out, func() {
		fmt.Fprintf(a.stdout, "%s  %s  %d applied, %d undone, %d unknown  %s\n", out.Run, out.State, out.Applied, out.Undone, out.Unknown, writ.Printable(out.Detail, 300))
	})
	switch {
	case err != nil:
		return err
	case !out.Ended:
		return &exitError{exitWaiting, ""}
	case out.State == writ.RunUncertain:
		return &exitError{exitUncertain, ""}
	case out.State != writ.RunSucceeded:
		return &exitError{exitFailed, ""}
	}
	return nil
}
