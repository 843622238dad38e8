// Package gateway speaks to upstreams: MCP servers of others, whose tools Writ fronts for diagnosis (tier T0). It
// discovers what they offer, puts a definition in canonical form, judges whether a person may approve it at all, checks
// arguments against an approved definition, and makes a call with a read credential of the upstream's own.
//
// An upstream is not trusted. What it says of itself is data: it changes a digest, and that turns a tool off; nothing that
// it says turns one on. It gets no capability of the client's (no sampling, no elicitation, no roots), never the caller's
// token, and its answers are bounded in size and time. The package decides nothing: who may call is control's to say.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// Limits of what an upstream can cost.
const (
	MaxTimeout      = 20 * time.Second // as long as agents wait anywhere
	DefaultTimeout  = 5 * time.Second
	DefaultListLife = time.Second // agents call several times a second, and a list may be a hundred times as long as an answer
	MaxOffered      = 500         // tools of one upstream: more is a bomb, or a server to be split
	maxPages        = 10          // of a list of tools
	maxWire         = 1 << 20     // bytes of one answer on the wire
	MaxAnswer       = 60 << 10    // bytes of text of an answer that are kept: with the arguments within what evidence may be
)

// An Upstream is one MCP server of others.
type Upstream struct {
	Name       string
	URL        string   // https, or http on a loopback address; or
	Command    []string // a program that speaks MCP on its standard streams
	Environ    []string // of Command, all of it
	Credential func() (string, error)
	Transport  Transport // of URL
	Timeout    time.Duration
	ListLife   time.Duration       // how old what it offers may be at a call; 0: it is asked before each
	Team       string              // whose people approve its tools
	Agents     []string            // names of the agents that may call
	Tools      map[string][]string // allowed tools, each with the arguments that are facts for policy
}

// Gateway holds one connection to each upstream. Its methods may be called concurrently.
type Gateway struct {
	order []string
	links map[string]*link
}

// New makes a gateway; no upstream is spoken to yet. changed hears the name of an upstream that says its tools have
// changed; it must not block.
func New(all []Upstream, version string, log *slog.Logger, changed func(upstream string)) (*Gateway, error) {
	g := &Gateway{links: map[string]*link{}}
	for _, u := range all {
		if !writ.IsUpstreamName(u.Name) || g.links[u.Name] != nil {
			return nil, fmt.Errorf("%w: upstream %q: its name is no plain name of at most %d characters, or stands twice", writ.ErrInvalid, writ.Printable(u.Name, 60), writ.MaxUpstreamName)
		}
		if (u.URL == "") == (len(u.Command) == 0) {
			return nil, fmt.Errorf("%w: upstream %s needs a url or a command, not both", writ.ErrInvalid, u.Name)
		}
		for t := range u.Tools {
			if _, err := writ.ParseUpstreamToolName(writ.UpstreamToolName{Upstream: u.Name, Tool: t}.String()); err != nil {
				return nil, fmt.Errorf("upstream %s: tool %q: %w", u.Name, writ.Printable(t, 60), err)
			}
		}
		if u.Timeout <= 0 {
			u.Timeout = DefaultTimeout
		}
		u.Timeout = min(u.Timeout, MaxTimeout)
		g.order = append(g.order, u.Name)
		g.links[u.Name] = newLink(u, version, log, changed)
	}
	return g, nil
}

// Upstreams returns the upstreams in the order of the configuration.
func (g *Gateway) Upstreams() []Upstream {
	var out []Upstream
	for _, name := range g.order {
		out = append(out, g.links[name].Upstream)
	}
	return out
}

// Upstream returns one upstream by its name.
func (g *Gateway) Upstream(name string) (Upstream, bool) {
	l, ok := g.links[name]
	if !ok {
		return Upstream{}, false
	}
	return l.Upstream, true
}

// May reports whether an agent of this name may call the upstream's tools.
func (u Upstream) May(agent string) bool { return slices.Contains(u.Agents, agent) }

// Discover asks an upstream what it offers now, at most Timeout. Definitions come in the order of their names.
func (g *Gateway) Discover(ctx context.Context, upstream string) ([]Definition, error) {
	l, ok := g.links[upstream]
	if !ok {
		return nil, fmt.Errorf("%w: no upstream %q", writ.ErrNotFound, writ.Printable(upstream, 60))
	}
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	return l.discover(ctx, "")
}

// Close ends the connections.
func (g *Gateway) Close() {
	for _, l := range g.links {
		l.close()
	}
}
