package config

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// An Upstream is an MCP server of others whose reading tools agents may call through Writ.
type Upstream struct {
	Name           string         `yaml:"name"`                      // as in <name>__<tool>
	URL            string         `yaml:"url,omitempty"`             // https, or http on a loopback address; or
	Command        []string       `yaml:"command,omitempty"`         // a program, with its path, that speaks MCP on its standard streams
	CA             string         `yaml:"ca,omitempty"`              // PEM file; empty: the system's
	ReadCredential string         `yaml:"read_credential,omitempty"` // file of mode 0600, or env:NAME; it must be one that can only read
	CredentialAs   string         `yaml:"credential_as,omitempty"`   // variable of the command's environment that holds it
	Team           string         `yaml:"team"`                      // whose people approve its tools
	Agents         []string       `yaml:"agents"`                    // names of the agents that may call
	Timeout        Duration       `yaml:"timeout,omitempty"`         // of a call, at most 20s; 5s when left out
	ListLife       Duration       `yaml:"list_life,omitempty"`       // how old its list of tools may be at a call: 1ms, which is before each, to 10s; 1s when left out
	Tools          []UpstreamTool `yaml:"tools"`                     // others are not there
}

// An UpstreamTool is one tool that may be approved.
type UpstreamTool struct {
	Name  string   `yaml:"name"`
	Facts []string `yaml:"facts,omitempty"` // arguments that policy sees
}

const (
	maxUpstreams       = 20 // each costs a connection, and a look every minute
	maxUpstreamTools   = 100
	maxUpstreamFacts   = 16
	maxUpstreamTimeout = 20 * time.Second // as long as agents wait anywhere
	maxListLife        = 10 * time.Second // a tool that has changed is called no longer than that
)

var variable = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

func (c *checks) upstreams(s Server) {
	c.want(len(s.Upstreams) <= maxUpstreams, "upstreams must be at most %d", maxUpstreams)
	seen := map[string]bool{}
	for i, u := range s.Upstreams {
		c.want(writ.IsUpstreamName(u.Name) && !seen[u.Name], "upstreams[%d].name must be lower-case letters, digits and hyphens, at most %d characters, and stand once", i, writ.MaxUpstreamName)
		seen[u.Name] = true
		c.want((u.URL == "") != (len(u.Command) == 0), "upstreams[%d] must have url or command, not both", i)
		if u.URL != "" {
			c.url("upstreams["+u.Name+"].url", u.URL, true)
			c.want(u.CredentialAs == "", "upstreams[%d].credential_as is for a command", i)
		} else if len(u.Command) > 0 {
			c.want(strings.HasPrefix(u.Command[0], "/"), "upstreams[%d].command must begin with the whole path of a program", i)
			c.want((u.CredentialAs == "") == (u.ReadCredential == ""), "upstreams[%d] needs read_credential and credential_as together", i)
			c.want(u.CredentialAs == "" || variable.MatchString(u.CredentialAs) && !slices.Contains([]string{"PATH", "HOME", "LD_PRELOAD"}, u.CredentialAs), "upstreams[%d].credential_as must be a variable's name in capitals", i)
		}
		c.secret("upstreams["+u.Name+"].read_credential", u.ReadCredential)
		c.want(writ.IsName(u.Team), "upstreams[%d].team must be the team whose people approve its tools", i)
		c.want(len(u.Agents) > 0, "upstreams[%d].agents must name the agents that may call", i)
		c.want(u.Timeout >= 0 && time.Duration(u.Timeout) <= maxUpstreamTimeout, "upstreams[%d].timeout must be at most %s, such as 5s", i, maxUpstreamTimeout)
		c.want(u.ListLife >= 0 && time.Duration(u.ListLife) <= maxListLife, "upstreams[%d].list_life must be at most %s, such as 1s", i, maxListLife)
		c.want(len(u.Tools) > 0 && len(u.Tools) <= maxUpstreamTools, "upstreams[%d].tools must name 1 to %d tools", i, maxUpstreamTools)
		twice := map[string]bool{}
		for j, t := range u.Tools {
			_, err := writ.ParseUpstreamToolName(writ.UpstreamToolName{Upstream: u.Name, Tool: t.Name}.String())
			c.want(err == nil && !twice[t.Name], "upstreams[%d].tools[%d].name must be lower-case letters, digits, _ and -, and stand once; with the upstream's name at most 62 characters", i, j)
			twice[t.Name] = true
			c.want(len(t.Facts) <= maxUpstreamFacts, "upstreams[%d].tools[%d].facts must be at most %d", i, j, maxUpstreamFacts)
		}
	}
}
