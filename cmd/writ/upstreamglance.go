package main

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// upstreams shows how the tools of other MCP servers stand.
func (a *app) upstreams(s writ.Status) {
	for _, u := range s.Upstreams {
		fmt.Fprintf(a.stdout, "upstream %s of team %s: %d tools on, %d off, %d approved by nobody\n", u.Name, writ.Printable(u.Team, 60), u.On, u.Off, u.Unpinned)
		for _, name := range u.Changed {
			fmt.Fprintf(a.stdout, "  CHANGED %s: it is off until a person approves it again: writ upstream diff %s\n", name, name)
		}
	}
}
