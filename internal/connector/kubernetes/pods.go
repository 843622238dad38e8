package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/redact"
)

// maxListed bounds how many pods or events one reading looks at.
const maxListed = 500

func listPods(ctx context.Context, c *Connector, p place, _ connector.Query) (reading, error) {
	o, _, err := c.read.get(ctx, p)
	if err != nil {
		return reading{}, err
	}
	var sets []revision
	var fewer bool // sets were looked at than there are
	if p.kind.name == "deployment" {
		if sets, fewer, err = c.revisions(ctx, p, o); err != nil {
			return reading{}, err
		}
	}
	path, pods, cut, err := c.podsOf(ctx, p, o, sets)
	if err != nil {
		return reading{}, err
	}
	out := reading{source: "GET " + path, cut: cut || fewer}
	var all, ready, waiting, restarts int64
	for _, pod := range pods {
		line, again, waits := podLine(pod)
		out.lines = append(out.lines, line)
		all++
		restarts += again
		if waits {
			waiting++
		}
		if isReady(pod) {
			ready++
		}
	}
	out.facts = writ.Observation{"pods": writ.Int(all), "ready": writ.Int(ready), "unready": writ.Int(all - ready), "waiting": writ.Int(waiting), "restarts": writ.Int(restarts)}
	return out, nil
}

// podsOf lists the pods of a workload, a deployment's by its ReplicaSets. It says where it looked, and whether there are more
// than it looked at.
func (c *Connector) podsOf(ctx context.Context, p place, o object, sets []revision) (path string, mine []object, cut bool, err error) {
	owners := map[string]bool{o.uid(): true}
	for _, r := range sets {
		owners[r.set.uid()] = true
	}
	pods, _ := kindNamed("pod")
	path = place{kind: pods, namespace: p.namespace}.collection()
	q := url.Values{"labelSelector": {selector(o)}, "limit": {strconv.Itoa(maxListed)}}
	list, _, err := c.read.read(ctx, path, q.Encode())
	if err != nil {
		return path, nil, false, err
	}
	for _, pod := range objects(list.list("items")) {
		if ref, ok := controllerOf(pod); ok && owners[ref.uid] {
			mine = append(mine, pod)
		}
	}
	return path, mine, list.str("metadata", "continue") != "", nil
}

// podLine is one pod, how often its containers were restarted, and whether one waits to start.
func podLine(pod object) (line map[string]any, restarts int64, waits bool) {
	var boxes []any
	for _, c := range objects(pod.list("status", "containerStatuses")) {
		restarts += c.num(0, "restartCount")
		waits = waits || c.has("state", "waiting")
		boxes = append(boxes, map[string]any{
			"container": c.str("name"), "image": c.str("image"), "ready": c.truth("ready"), "restarts": number(c.num(0, "restartCount")),
			"state": map[string]any(c.sub("state")), "last_state": map[string]any(c.sub("lastState")),
		})
	}
	return map[string]any{
		"pod": pod.name(), "phase": pod.str("status", "phase"), "ready": isReady(pod), "node": pod.str("spec", "nodeName"),
		"started": pod.str("status", "startTime"), "deleting": pod.has("metadata", "deletionTimestamp"), "containers": boxes,
	}, restarts, waits
}

func listEvents(ctx context.Context, c *Connector, p place, _ connector.Query) (reading, error) {
	events, _ := kindNamed("event")
	path := place{kind: events, namespace: p.namespace}.collection()
	q := url.Values{
		"fieldSelector": {fmt.Sprintf("involvedObject.kind=%s,involvedObject.name=%s", p.kind.kind, p.name)}, "limit": {strconv.Itoa(maxListed)},
	}
	list, _, err := c.read.read(ctx, path, q.Encode())
	if err != nil {
		return reading{}, err
	}
	out := reading{source: "GET " + path, cut: list.str("metadata", "continue") != ""}
	var all, warnings int64
	for _, e := range objects(list.list("items")) {
		all++
		if e.str("type") == "Warning" {
			warnings++
		}
		at := e.str("lastTimestamp")
		if at == "" {
			at = e.str("eventTime")
		}
		out.lines = append(out.lines, map[string]any{
			"at": at, "type": e.str("type"), "reason": e.str("reason"), "message": e.str("message"), "count": number(e.num(1, "count")),
			"from": e.str("source", "component") + e.str("reportingComponent"),
		})
	}
	out.facts = writ.Observation{"events": writ.Int(all), "warnings": writ.Int(warnings)}
	return out, nil
}

func podLogs(ctx context.Context, c *Connector, p place, q connector.Query) (reading, error) {
	lines, ok := q.With["lines"].Int64()
	if !ok {
		lines = askedLines
	}
	v := url.Values{"tailLines": {strconv.FormatInt(lines, 10)}, "limitBytes": {strconv.Itoa(maxReading + 1)}, "timestamps": {"true"}}
	if box, ok := q.With["container"].Str(); ok {
		v.Set("container", box)
	}
	if previous, _ := q.With["previous"].IsTrue(); previous {
		v.Set("previous", "true")
	}
	a, err := c.read.do(ctx, request{method: http.MethodGet, path: p.path() + "/log", query: v.Encode()})
	if err != nil {
		return reading{}, err
	}
	if a.status != http.StatusOK {
		return reading{}, a.refusal()
	}
	cut := len(a.body) > maxReading // one more says that there are more
	text := strings.ToValidUTF8(string(a.body[:min(len(a.body), maxReading)]), "\uFFFD")
	if cut {
		text = redact.Unfinished(text) // it was cut wherever that was
	}
	n := int64(strings.Count(text, "\n"))
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	newest := text
	if limit := bound(q.Limit); len(newest) > limit {
		// The end of a log tells more than its beginning. It is cut between lines, where no secret but a key of
		// several lines is cut apart, and redact knows the rest of one.
		from := len(newest) - limit
		newest = newest[from-1:] // with what ends the line before, if a line begins there
		_, newest, _ = strings.Cut(newest, "\n")
	}
	return reading{
		source: "GET " + p.path() + "/log", lines: []any{newest}, facts: writ.Observation{"lines": writ.Int(n)},
		cut: cut || len(newest) < len(text),
	}, nil
}
