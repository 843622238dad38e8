package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
)

// A login is what the server answers to a code, and what token_file then holds.
type login struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Iss     string    `json:"iss"`
	Sub     string    `json:"sub"`
}

// loginWait is how long writ login waits for the person in the browser.
const loginWait = 10 * time.Minute

// runLogin is a native app of RFC 8252: the browser comes back to a listener on the loopback interface with a code, which
// only this process, with its verifier, can turn into a session.
func runLogin(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "login", "", "Logs in by browser and keeps the session's token in token_file, for you alone. It is good for 8 hours, or 30 minutes without use.")
	r := remoteFlags(f)
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	file, err := r.file()
	if err != nil {
		return err
	}
	if r.cfg, err = config.LoadClient(file); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("%w: login: %w", writ.ErrUnavailable, err)
	}
	defer l.Close()
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	codes := make(chan string, 1)
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		code := req.URL.Query().Get("code")
		if code == "" || req.URL.Path != "/" {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(w, "You can close this page and go back to the command line.")
		select {
		case codes <- code:
		default: // one is under way
		}
	})}
	go srv.Serve(l)
	defer srv.Close()
	fmt.Fprintf(a.stderr, "open this in your browser to log in:\n\n  %s/login?%s\n\n", r.cfg.Server, url.Values{
		"port": {strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}, "challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}.Encode())
	var code string
	select {
	case code = <-codes:
	case <-ctx.Done():
		return fmt.Errorf("%w: login: nobody logged in in time", writ.ErrUnavailable)
	}
	got, err := r.exchange(ctx, code, verifier)
	if err != nil {
		return err
	}
	if strings.HasPrefix(r.cfg.TokenFile, "env:") {
		return &usageError{"token_file names a variable of the environment, which a login cannot be kept in", "let token_file name a file"}
	}
	if err := keepLogin(r.cfg.Path(r.cfg.TokenFile), got); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "✔ logged in as %s until %s\n", writ.Printable(got.Sub, 100), got.Expires.UTC().Format(time.RFC3339))
	return nil
}

// maxLogin bounds the server's answer.
const maxLogin = 16 << 10

// exchange turns the code into a session.
func (r *remote) exchange(ctx context.Context, code, verifier string) (login, error) {
	var got login
	roots, err := r.roots()
	if err != nil {
		return got, err
	}
	body, err := json.Marshal(map[string]string{"code": code, "verifier": verifier})
	if err != nil {
		return got, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.cfg.Server+"/login/token", bytes.NewReader(body))
	if err != nil {
		return got, fmt.Errorf("%w: login: %w", writ.ErrInvalid, err)
	}
	req.Header.Set("Content-Type", "application/json")
	c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}}
	resp, err := c.Do(req)
	if err != nil {
		return got, fmt.Errorf("%w: login: %w", writ.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxLogin))
	if err != nil {
		return got, fmt.Errorf("%w: login: %w", writ.ErrUnavailable, err)
	}
	if resp.StatusCode != http.StatusOK {
		return got, fmt.Errorf("%w: login: the server answers %d: %s", writ.ErrUnknownUser, resp.StatusCode, writ.Printable(strings.TrimSpace(string(b)), 200))
	}
	if err := json.Unmarshal(b, &got); err != nil || got.Token == "" || got.Expires.IsZero() {
		return got, fmt.Errorf("%w: login: the server's answer holds no session", writ.ErrUnknownUser)
	}
	return got, nil
}

// keepLogin replaces the file by one that its owner alone may read, from the first byte on.
func keepLogin(file string, l login) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	t, err := os.CreateTemp(filepath.Dir(file), ".login-*") // mode 0600
	if err != nil {
		return fmt.Errorf("%w: token_file: %w", writ.ErrUnavailable, err)
	}
	defer os.Remove(t.Name())
	_, err = t.Write(append(b, '\n'))
	if cerr := t.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(t.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("%w: token_file: %w", writ.ErrUnavailable, err)
	}
	return nil
}

func runSessionList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "session list", "", "Lists your own logins that are good now, oldest first.")
	everybody := f.Bool("all", false, "everybody's, which people of the teams that the server's configuration names under operators may see")
	r := remoteFlags(f)
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	sessions := r.Sessions(ctx)
	if *everybody {
		sessions = r.AllSessions(ctx)
	}
	return printList(a, r.format, sessions, "SESSION\tPERSON\tWAY\tSINCE\tLAST USE\tENDS", func(s writ.Session) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", s.ID, writ.Printable(s.Person.Sub, 40), writ.Printable(s.Way, 20), clock(s.Since), clock(s.Seen), clock(s.Expires))
	})
}

func runSessionRevoke(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "session revoke", "<session>", "Ends one of your own logins, or, as an operator, anybody's, at once.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	id, err := writ.ParseSessionID(rest[0])
	if err != nil {
		return &usageError{"session revoke takes a session's id (ses_ and 26 characters)", "writ session list shows them"}
	}
	if err := r.open(); err != nil {
		return err
	}
	if _, err := r.RevokeSession(ctx, id); err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, "✔ ended", id)
	return nil
}
