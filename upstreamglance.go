package writ

// An UpstreamGlance is how the tools of one upstream stand, as they were last seen.
type UpstreamGlance struct {
	Name     string `json:"name"`
	Team     string `json:"team"`     // whose people approve its tools
	On       int    `json:"on"`       // tools that agents may call
	Unpinned int    `json:"unpinned"` // allowed by the configuration, and approved by nobody
	Off      int    `json:"off"`      // approved once, and off

	Changed []UpstreamToolName `json:"changed,omitempty"` // of those off: another tool than the approved one was offered, or none
}

// GlanceUpstreams counts tools by upstream, in the order in which the upstreams first stand.
func GlanceUpstreams(tools []UpstreamTool) []UpstreamGlance {
	var out []UpstreamGlance
	at := map[string]int{}
	for _, t := range tools {
		i, ok := at[t.Name.Upstream]
		if !ok {
			i = len(out)
			at[t.Name.Upstream] = i
			out = append(out, UpstreamGlance{Name: t.Name.Upstream, Team: t.Team})
		}
		g := &out[i]
		switch t.State {
		case ToolOn:
			g.On++
		case ToolOff:
			g.Off++
			if t.Reason == ReasonToolChanged {
				g.Changed = append(g.Changed, t.Name)
			}
		default:
			g.Unpinned++
		}
	}
	return out
}
