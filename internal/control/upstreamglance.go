package control

import (
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// upstreamsGlance counts the allowed tools of all upstreams by their state.
func (c *Control) upstreamsGlance(tx *store.Tx) ([]writ.UpstreamGlance, error) {
	if c.Upstreams == nil {
		return nil, nil
	}
	var all []writ.UpstreamTool
	for _, u := range c.Upstreams.Upstreams() {
		for _, tool := range slices.Sorted(maps.Keys(u.Tools)) {
			t := writ.UpstreamTool{Name: writ.UpstreamToolName{Upstream: u.Name, Tool: tool}, State: writ.ToolUnpinned, Team: u.Team}
			p, row, known, err := loadPin(tx, t.Name)
			if err != nil {
				return nil, err
			}
			if known {
				t.State, t.Reason = writ.ToolState(row.State), p.Reason
			}
			all = append(all, t)
		}
	}
	return writ.GlanceUpstreams(all), nil
}
