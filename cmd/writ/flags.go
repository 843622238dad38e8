package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crypto/x509"
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/config"
)

// flags is a flag set whose complaints are usage errors, and which takes flags after arguments too.
type flags struct {
	*flag.FlagSet
	args string
	help func()
}

func newFlags(a *app, name, args, about string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet("writ "+name, flag.ContinueOnError), args: args}
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.help = func() {
		if a.describe != nil {
			a.describe(f.FlagSet)
			return
		}
		fmt.Fprintf(a.stdout, "usage: writ %s %s\n\n%s\n", name, args, about)
		f.SetOutput(a.stdout)
		f.PrintDefaults()
	}
	return f
}

// parse parses args and demands exactly want positional arguments; want < 0 takes one or more.
func (f *flags) parse(args []string, want int) ([]string, error) {
	rest, err := f.scan(args)
	if err == nil && (want >= 0 && len(rest) != want || want < 0 && len(rest) == 0) {
		return nil, &usageError{fmt.Sprintf("%s takes %s", f.Name(), count(want)), fmt.Sprintf("usage: %s %s", f.Name(), f.args)}
	}
	return rest, err
}

// parseSome is parse for at most some positional arguments.
func (f *flags) parseSome(args []string, most int) ([]string, error) {
	rest, err := f.scan(args)
	if err == nil && len(rest) > most {
		return nil, &usageError{fmt.Sprintf("%s takes at most %s", f.Name(), count(most)), fmt.Sprintf("usage: %s %s", f.Name(), f.args)}
	}
	return rest, err
}

// scan takes flags before, between and after positional arguments.
func (f *flags) scan(args []string) ([]string, error) {
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				f.help()
				return nil, err
			}
			return nil, &usageError{fmt.Sprintf("%s: %s", f.Name(), writ.Printable(err.Error(), 200)), fmt.Sprintf("usage: %s %s", f.Name(), f.args)}
		}
		args = f.Args()
		if len(args) == 0 {
			break
		}
		rest = append(rest, args[0])
		args = args[1:]
	}
	return rest, nil
}

func count(n int) string {
	switch n {
	case 0:
		return "no arguments"
	case 1:
		return "one argument"
	}
	if n < 0 {
		return "one argument or more"
	}
	return fmt.Sprintf("%d arguments", n)
}

// words collects a flag that may be repeated.
type words []string

func (w *words) String() string     { return strings.Join(*w, ",") }
func (w *words) Set(s string) error { *w = append(*w, s); return nil }

// remote is what commands that ask the server share.
type remote struct {
	config string
	format string
	cfg    config.Client
	*client.Client
}

// remoteFlags adds the flags of a command that asks the server.
func remoteFlags(f *flags) *remote {
	r := &remote{}
	f.StringVar(&r.config, "config", "", "the command line's `file`; default ./cli.yaml, then ~/.config/writ/cli.yaml")
	f.StringVar(&r.format, "o", "text", "output: text, json or jsonl")
	return r
}

// open reads the configuration and makes the client.
func (r *remote) open() error {
	if !slices.Contains([]string{"text", "json", "jsonl"}, r.format) {
		return &usageError{fmt.Sprintf("-o %s is unknown", writ.Printable(r.format, 20)), "use -o text, -o json or -o jsonl"}
	}
	file, err := r.file()
	if err != nil {
		return err
	}
	if r.cfg, err = config.LoadClient(file); err != nil {
		return err
	}
	roots, err := r.roots()
	if err != nil {
		return err
	}
	r.Client, err = client.New(r.cfg.Server, client.Config{Token: r.token, RootCAs: roots})
	return err
}

// roots are the certificates that vouch for the server; nil means the system's.
func (r *remote) roots() (*x509.CertPool, error) {
	if r.cfg.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(r.cfg.Path(r.cfg.CA))
	if err != nil {
		return nil, fmt.Errorf("%w: ca: %w", writ.ErrInvalid, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: ca: %s holds no certificate in PEM", writ.ErrInvalid, r.cfg.CA)
	}
	return roots, nil
}

func (r *remote) file() (string, error) {
	if r.config != "" {
		return r.config, nil
	}
	places := []string{"cli.yaml"}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".config", "writ", "cli.yaml"))
	}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", &usageError{"no configuration of the command line was found in " + strings.Join(places, " or "), "name it: --config DIR/cli-you.yaml (writ init writes one for each person)"}
}

func (r *remote) token(context.Context) (string, error) {
	text, err := config.ReadSecret(r.cfg.Dir, r.cfg.TokenFile, os.ReadFile)
	if err != nil {
		return "", fmt.Errorf("%w: token_file: %w", writ.ErrUnknownUser, err)
	}
	if !strings.HasPrefix(text, "{") {
		return text, nil
	}
	var s login // of writ login
	if err := json.Unmarshal([]byte(text), &s); err != nil || s.Token == "" {
		return "", fmt.Errorf("%w: token_file: it holds no session", writ.ErrUnknownUser)
	}
	if !time.Now().Before(s.Expires) {
		return "", fmt.Errorf("%w: token_file: the session ended at %s; run writ login", writ.ErrUnknownUser, s.Expires.UTC().Format(time.RFC3339))
	}
	return s.Token, nil
}
