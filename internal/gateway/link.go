package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// spoken is the newest revision that is spoken with upstreams. Later ones let a server say how long its list of tools may
// be believed, which is ours to say (ListLife).
const spoken = "2025-11-25"

// stopGrace is how long a command may take to end once its input is closed.
const stopGrace = 2 * time.Second

// A link is the connection to one upstream, made when it is needed and made anew after it broke.
type link struct {
	Upstream
	version string
	log     *slog.Logger
	changed func(string)
	looked  looked

	mu      sync.Mutex
	session *session // guarded by mu; nil when there is none
}

func newLink(u Upstream, version string, log *slog.Logger, changed func(string)) *link {
	return &link{Upstream: u, version: version, log: log, changed: changed, looked: looked{life: u.ListLife}}
}

// errReach is all that is told of an upstream that cannot be reached: its own words go nowhere.
func (l *link) errReach() error {
	return &writ.Refusal{
		Code: writ.ReasonUnavailable, Kind: writ.ErrUnavailable, Detail: fmt.Sprintf("upstream %s gave no proper answer within %s", l.Name, l.Timeout),
		Hint: "try again later, or read the same by read_evidence",
	}
}

// open returns the session.
func (l *link) open(ctx context.Context) (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		return l.session, nil
	}
	t, err := l.transport()
	if err != nil {
		return nil, err
	}
	c := mcp.NewClient(&mcp.Implementation{Name: "writ", Version: l.version}, &mcp.ClientOptions{
		Capabilities: &mcp.ClientCapabilities{}, // no roots, no sampling, no elicitation
		Logger:       slog.New(slog.DiscardHandler),
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) {
			l.looked.forget()
			if l.changed != nil {
				l.changed(l.Name)
			}
		},
	})
	begun, err := c.Connect(ctx, t, &mcp.ClientSessionOptions{ProtocolVersion: spoken})
	if err != nil {
		return nil, l.broke(ctx, nil, err)
	}
	version := begun.InitializeResult().ProtocolVersion
	if version > spoken { // see spoken
		begun.Close()
		return nil, l.broke(ctx, nil, errors.New("it speaks another revision than the one that was offered"))
	}
	s := &session{ClientSession: begun}
	if h, ok := t.(*mcp.StreamableClientTransport); ok {
		s.wire = &wire{client: h.HTTPClient, url: h.Endpoint, session: begun.ID(), version: version}
	}
	l.session = s
	return s, nil
}

func (l *link) transport() (mcp.Transport, error) {
	secret := ""
	if l.Credential != nil {
		var err error
		if secret, err = l.Credential(); err != nil {
			l.log.Error("an upstream's read credential cannot be read", "upstream", l.Name, "error", err)
			return nil, l.errReach()
		}
	}
	if l.URL != "" {
		return &mcp.StreamableClientTransport{Endpoint: l.URL, HTTPClient: l.Transport.client(secret), MaxRetries: -1, MaxEventSize: maxWire}, nil
	}
	cmd := exec.Command(l.Command[0], l.Command[1:]...)
	cmd.Env = slices.Clone(l.Environ)
	for i, e := range cmd.Env {
		cmd.Env[i] = strings.ReplaceAll(e, credentialMark, secret)
	}
	return &bounded{mcp.CommandTransport{Command: cmd, TerminateDuration: stopGrace}}, nil
}

// credentialMark stands in Environ where the credential goes.
const credentialMark = "\x00credential\x00"

// CredentialVariable is the member of Environ that holds the credential.
func CredentialVariable(name string) string { return name + "=" + credentialMark }

// broke drops a session that failed, and returns what callers are told. The cause is logged in escaped form.
func (l *link) broke(ctx context.Context, s *session, err error) error {
	if l.session == s && s != nil {
		l.session = nil
	}
	l.looked.forget()
	if s != nil {
		go s.Close() // which may wait for the other side
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		l.log.Warn("an upstream gave no proper answer", "upstream", l.Name, "error", writ.Printable(err.Error(), 200))
	}
	return l.errReach()
}

func (l *link) drop(ctx context.Context, s *session, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broke(ctx, s, err)
}

// discover lists what is offered now, by asking: all of it, or what stands under one name, which is all that a call
// has to compare.
func (l *link) discover(ctx context.Context, only string) ([]Definition, error) {
	s, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	var out []Definition
	names := map[string]int{}
	cursor, all := "", 0
	for page := 0; ; page++ {
		got, err := s.listTools(ctx, cursor)
		if err != nil {
			return nil, l.drop(ctx, s, err)
		}
		for _, t := range got.Tools {
			if t == nil {
				continue
			}
			if all++; only != "" && t.Name != only {
				continue
			}
			d, err := definition(l.Name, t)
			if err != nil { // no JSON, or too large to compare: whatever was approved under this name is not it
				d = Definition{V: 1, Upstream: l.Name, Name: t.Name, InputSchema: []byte("null")}
			}
			if i, twice := names[d.Name]; twice {
				out[i].twice = true
				continue
			}
			names[d.Name] = len(out)
			out = append(out, d)
		}
		if cursor = got.NextCursor; cursor == "" {
			break
		}
		if page+1 >= maxPages || all > MaxOffered {
			return nil, l.drop(ctx, s, fmt.Errorf("it offers more than %d tools", MaxOffered))
		}
	}
	if all > MaxOffered {
		return nil, l.drop(ctx, s, fmt.Errorf("it offers more than %d tools", MaxOffered))
	}
	slices.SortFunc(out, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (l *link) close() {
	l.mu.Lock()
	s := l.session
	l.session = nil
	l.mu.Unlock()
	if s != nil {
		s.Close()
	}
}
