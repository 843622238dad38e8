package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// An operation is an entry of the allow-list, checked against the document.
type operation struct {
	name    writ.OperationName
	tier    writ.Tier
	write   endpoint
	read    endpoint
	title   template
	object  template // segments of the location
	scope   template
	uid     pointer
	by, key *pointer           // who changed the object last, under which key; nil: the target does not say
	fields  map[string]pointer // body parameter -> where the state shows it
	inverse *inverse           // nil: none
	blast   blast
	timeout int // seconds
}

type blast struct {
	replicas, permille measure
	ready, floor       measure
	down               int
}

// units are what runs behind the object at location, if the configuration says where it is counted. A count that is
// missing in the state counts as none ready, and a floor that is missing as all.
func (b blast) units(location writ.Location, state any) []writ.Units {
	if b.ready.from == nil {
		return nil
	}
	u := writ.Units{Workload: location, Wanted: max(0, b.replicas.of(state)), Ready: max(0, b.ready.of(state)), By: writ.FloorDefault}
	u.Down, u.Floor = min(b.down, u.Ready), max(0, u.Wanted-1)
	if b.floor.fixed != nil || b.floor.from != nil {
		u.By = writ.FloorBudget
		if u.Floor = b.floor.of(state); u.Floor == unmeasured {
			u.Floor = u.Ready
		}
	}
	return []writ.Units{u}
}

// A measure is a number that is fixed or read from the state.
type measure struct {
	fixed *int
	from  *pointer
}

// unmeasured stands for a radius that is not known; plans count it as the largest.
const unmeasured = -1

func (m measure) of(state any) int {
	switch {
	case m.fixed != nil:
		return *m.fixed
	case m.from != nil:
		if n, ok := m.from.integer(state); ok && n >= 0 {
			return int(n)
		}
	}
	return unmeasured
}

// writing lists the methods of an operation; they have a meaning that a precondition can guard.
var writing = []string{http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete}

func compile(d document, c OperationConfig) (*operation, error) {
	if _, err := writ.ParseOperationName(string(c.Name)); err != nil {
		return nil, err
	}
	o := &operation{name: c.Name, tier: c.Tier, fields: map[string]pointer{}, timeout: cmp.Or(c.TimeoutSeconds, defaultTimeout)}
	if o.timeout < 1 || o.timeout > int(maxTimeout.Seconds()) {
		return nil, fmt.Errorf("%w: timeout_seconds must be 1 to %d", writ.ErrInvalid, int(maxTimeout.Seconds()))
	}
	var err error
	if o.write, err = d.endpoint(c.OperationID, c.Parameters); err != nil {
		return nil, err
	}
	if err := o.write.narrowed(c.Parameters); err != nil {
		return nil, err
	}
	if o.read, err = d.endpoint(c.Read, renamed(c.Parameters)); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if !slices.Contains(writing, o.write.method) {
		return nil, fmt.Errorf("%w: operationId %s is a %s; an operation writes", writ.ErrInvalid, o.write.id, o.write.method)
	}
	if o.read.method != http.MethodGet || !o.read.json || o.read.body != nil {
		return nil, fmt.Errorf("%w: read: operationId %s must be a GET that answers with application/json", writ.ErrInvalid, o.read.id)
	}
	if err := o.templates(c); err != nil {
		return nil, err
	}
	if err := o.pointers(c); err != nil {
		return nil, err
	}
	if err := o.addInverse(d, c); err != nil {
		return nil, fmt.Errorf("inverse: %w", err)
	}
	if o.write.body == nil && !o.write.etag {
		// Probe tells a live token from a dead one by a call that cannot succeed: without a body to leave out, only the
		// precondition keeps it from acting.
		return nil, fmt.Errorf("%w: operationId %s has no body, so the document must demand If-Match for it", writ.ErrInvalid, o.write.id)
	}
	return o, nil
}

// renamed keeps the names of parameters, without the bounds: a read takes the same objects.
func renamed(in []ParameterConfig) []ParameterConfig {
	var out []ParameterConfig
	for _, p := range in {
		if p.Document != "" {
			out = append(out, ParameterConfig{Name: p.Name, Document: p.Document})
		}
	}
	return out
}

func (o *operation) templates(c OperationConfig) error {
	path := o.write.names(inPath)
	var err error
	if o.title, err = parseTemplate(c.Title, o.write.names()); err != nil || c.Title == "" {
		return cmp.Or(err, fmt.Errorf("%w: title is missing", writ.ErrInvalid))
	}
	if o.object, err = parseObject(c.Object, path); err != nil {
		return err
	}
	if o.scope, err = parseScope(c.Scope, path); err != nil {
		return err
	}
	for _, p := range o.read.params {
		if p.in != inPath || !slices.Contains(path, p.spec.Name) {
			if !p.spec.Optional {
				return fmt.Errorf("%w: read: parameter %q of %s is not a path parameter of %s", writ.ErrInvalid, p.spec.Name, o.read.id, o.write.id)
			}
		}
	}
	return nil
}

// parseObject parses the path of a location. Each path parameter must stand in it, so that two objects never share a
// location.
func parseObject(s string, path []string) (template, error) {
	t, err := parseTemplate(s, path)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	for _, name := range path {
		if !slices.Contains(t.uses(), name) {
			return nil, fmt.Errorf("%w: object %q must name the path parameter {%s}", writ.ErrInvalid, writ.Printable(s, 80), name)
		}
	}
	if _, err := writ.ParseLocation(Plane + "://t/" + t.expand(nil, func(string) string { return "x" })); err != nil || s == "" {
		return nil, fmt.Errorf("%w: object %q must be segments such as services/{service}", writ.ErrInvalid, writ.Printable(s, 80))
	}
	for part := range strings.SplitSeq(s, "/") {
		if strings.Contains(part, "{") && (strings.Count(part, "{") > 1 || part[0] != '{' || part[len(part)-1] != '}') {
			return nil, fmt.Errorf("%w: object %q: a parameter is a whole segment", writ.ErrInvalid, writ.Printable(s, 80))
		}
	}
	return t, nil
}

func parseScope(s string, path []string) (template, error) {
	t, err := parseTemplate(s, path)
	if err != nil {
		return nil, fmt.Errorf("scope: %w", err)
	}
	if !isScope(s) {
		return nil, fmt.Errorf("%w: scope must be one scope such as setRelease:{service}", writ.ErrInvalid)
	}
	return t, nil
}

func (o *operation) pointers(c OperationConfig) error {
	var err error
	if o.uid, err = parsePointer(c.UID); err != nil {
		return fmt.Errorf("uid: %w", err)
	}
	if o.by, err = optional(c.ChangedBy); err != nil {
		return fmt.Errorf("changed_by: %w", err)
	}
	if o.key, err = optional(c.ChangedKey); err != nil {
		return fmt.Errorf("changed_key: %w", err)
	}
	if o.fields, err = pointers(c.Fields, o.write.names(inBody)); err != nil {
		return fmt.Errorf("fields: %w", err)
	}
	for _, name := range o.write.names(inBody) {
		if _, ok := o.fields[name]; !ok {
			return fmt.Errorf("%w: fields must say where the state shows the body's %q", writ.ErrInvalid, name)
		}
	}
	if o.blast.replicas.from, err = optional(c.Blast.ReplicasFrom); err != nil {
		return fmt.Errorf("blast: %w", err)
	}
	if o.blast.permille.from, err = optional(c.Blast.PermilleFrom); err != nil {
		return fmt.Errorf("blast: %w", err)
	}
	if o.blast.ready.from, err = optional(c.Blast.ReadyFrom); err != nil {
		return fmt.Errorf("blast: ready_from: %w", err)
	}
	if o.blast.floor.from, err = optional(c.Blast.FloorFrom); err != nil {
		return fmt.Errorf("blast: floor_from: %w", err)
	}
	o.blast.replicas.fixed, o.blast.permille.fixed, o.blast.floor.fixed, o.blast.down = c.Blast.Replicas, c.Blast.Permille, c.Blast.Floor, 1
	if c.Blast.Down != nil {
		o.blast.down = *c.Blast.Down
	}
	if o.blast.down < 0 || c.Blast.Floor != nil && *c.Blast.Floor < 0 {
		return fmt.Errorf("%w: blast: down and floor must be 0 or more", writ.ErrInvalid)
	}
	if o.blast.ready.from == nil && (c.Blast.Down != nil || c.Blast.Floor != nil || c.Blast.FloorFrom != "") {
		return fmt.Errorf("%w: blast: down and floor need ready_from, which says where ready units are counted", writ.ErrInvalid)
	}
	return nil
}

func optional(s string) (*pointer, error) {
	if s == "" {
		return nil, nil
	}
	p, err := parsePointer(s)
	return &p, err
}

func pointers(m map[string]string, names []string) (map[string]pointer, error) {
	out := map[string]pointer{}
	for _, name := range sortedKeys(m) {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: %q is not a member of the body", writ.ErrInvalid, writ.Printable(name, 40))
		}
		p, err := parsePointer(m[name])
		if err != nil {
			return nil, err
		}
		out[name] = p
	}
	return out, nil
}

// entry is the operation as the catalogue shows it.
func (o *operation) entry() connector.Operation {
	e := connector.Operation{Name: o.name, Title: text(o.title), Tier: o.tier, Inverse: writ.InverseNone, Rights: []string{right(text(o.scope))}}
	for _, p := range o.write.params {
		e.Parameters = append(e.Parameters, p.spec)
	}
	if o.inverse != nil {
		e.Inverse = writ.InverseCall
		e.Rights = append(e.Rights, right(text(o.inverse.scope)))
	}
	slices.Sort(e.Rights)
	e.Rights = slices.Compact(e.Rights)
	return e
}

// text is a template as it was written.
func text(t template) string {
	var b strings.Builder
	for _, p := range t {
		if p.param != "" {
			b.WriteString("{" + p.param + "}")
		}
		b.WriteString(p.text)
	}
	return b.String()
}

func right(scope string) string { return "OAuth scope " + scope }
