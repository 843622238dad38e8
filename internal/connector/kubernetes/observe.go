package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/redact"
)

// Limits of a reading in bytes: what is used when nobody says, and the most that anybody may say.
const (
	usualReading = 64 << 10
	maxReading   = 1 << 20
)

// A reading is what a reader found: lines of text or JSON, and the facts computed from the whole of it.
type reading struct {
	source string
	lines  []any // strings, or JSON values that become one line each
	facts  writ.Observation
	cut    bool // the target or the reader held some back
}

// A reader computes one reading of an object that lies in scope.
type reader func(ctx context.Context, c *Connector, p place, q connector.Query) (reading, error)

var observed = map[writ.OperationName]reader{
	WorkloadStatus: workloadStatus, WorkloadHistory: workloadHistory, GetObject: getObject, ListPods: listPods,
	ListEvents: listEvents, PodLogs: podLogs, NodeStatus: nodeStatus,
}

// Observe implements connector.Connector.
func (c *Connector) Observe(ctx context.Context, q connector.Query) (connector.Reading, error) {
	var none connector.Reading
	r, ok := c.Catalogue().Reader(q.Reader)
	if !ok {
		return none, writ.Refuse(writ.ReasonUnknownReader, fmt.Sprintf("there is no reader %q", writ.Printable(string(q.Reader), 80)))
	}
	if err := connector.CheckParameters(r.Parameters, q.With); err != nil {
		return none, err
	}
	p, err := placeRead(q)
	if err != nil {
		return none, err
	}
	within, err := c.belongs(ctx, p, q.Scope)
	if err != nil {
		return none, err
	}
	if !within {
		return none, outOfScope(p.location(c.target))
	}
	got, err := observed[q.Reader](ctx, c, p, q)
	if err != nil {
		return none, err
	}
	out := connector.Reading{Source: got.source, At: c.now(), Facts: got.facts, Truncated: got.cut, Writable: r.Writable}
	return out, fill(&out, got.lines, q.Limit)
}

// placeRead is the object that a query is about.
func placeRead(q connector.Query) (place, error) {
	switch q.Reader {
	case PodLogs:
		return placeFrom("pod", q.With)
	case NodeStatus:
		return placeFrom("node", q.With)
	}
	name, _ := q.With["kind"].Str()
	return placeFrom(name, q.With)
}

// fill renders lines, redacted, until the limit. It redacts before it cuts, so that no secret is cut out of the form
// by which it is known.
func fill(r *connector.Reading, lines []any, limit int) error {
	limit = bound(limit)
	shown, n := redact.Value(lines)
	r.Redacted = n
	var b bytes.Buffer
	for _, l := range shown.([]any) {
		text, ok := l.(string)
		if !ok {
			var line bytes.Buffer
			e := json.NewEncoder(&line)
			e.SetEscapeHTML(false)
			if err := e.Encode(l); err != nil {
				return fmt.Errorf("%w: reading: %v", writ.ErrInvalid, err)
			}
			text = line.String()
		}
		b.WriteString(text)
		if b.Len() > limit {
			break
		}
	}
	r.Bytes = b.Bytes()
	if len(r.Bytes) > limit {
		r.Truncated = true
		cut := limit
		for cut > 0 && !utf8.RuneStart(r.Bytes[cut]) {
			cut--
		}
		r.Bytes = r.Bytes[:cut]
	}
	return nil
}

// bound is the limit that holds for a reading.
func bound(limit int) int {
	if limit <= 0 {
		return usualReading
	}
	return min(limit, maxReading)
}

// presentable is o without what only tools read, and without the copy of itself that kubectl keeps in it.
func presentable(o object) object {
	o = o.clone()
	o.drop("metadata", "managedFields")
	o.drop("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
	return o
}
