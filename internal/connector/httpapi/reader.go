package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/redact"
)

// A reader is one GET of the allow-list.
type reader struct {
	entry  connector.Reader
	get    endpoint
	object template
	facts  []fact
}

type fact struct {
	name string
	typ  connector.Type
	at   pointer
}

func compileReader(d document, c ReaderConfig) (*reader, error) {
	if _, err := writ.ParseOperationName(string(c.Name)); err != nil {
		return nil, err
	}
	e, err := d.endpoint(c.OperationID, c.Parameters)
	if err != nil {
		return nil, err
	}
	if err := e.narrowed(c.Parameters); err != nil {
		return nil, err
	}
	if e.method != http.MethodGet || e.body != nil {
		return nil, fmt.Errorf("%w: operationId %s is not a GET without a body; a reader reads", writ.ErrInvalid, e.id)
	}
	r := &reader{get: e, entry: connector.Reader{Name: c.Name, Title: c.Title, Writable: c.Writable, Fields: c.Fields}}
	if r.object, err = parseObject(c.Object, e.names(inPath)); err != nil {
		return nil, err
	}
	for _, p := range e.params {
		r.entry.Parameters = append(r.entry.Parameters, p.spec)
	}
	for _, f := range c.Facts {
		at, err := parsePointer(f.Pointer)
		if err != nil {
			return nil, fmt.Errorf("fact %s: %w", writ.Printable(f.Name, 40), err)
		}
		typ := connector.Type(f.Type)
		switch {
		case !writ.IsName(f.Name) || f.Title == "":
			return nil, fmt.Errorf("%w: fact %q needs a plain name and a title", writ.ErrInvalid, writ.Printable(f.Name, 40))
		case !slices.Contains([]connector.Type{connector.TypeInteger, connector.TypeBool, connector.TypeName}, typ):
			return nil, fmt.Errorf("%w: fact %s: type is integer, bool or name", writ.ErrInvalid, f.Name)
		case !e.json:
			return nil, fmt.Errorf("%w: fact %s: operationId %s does not answer with application/json", writ.ErrInvalid, f.Name, e.id)
		case slices.ContainsFunc(r.facts, func(g fact) bool { return g.name == f.Name }):
			return nil, fmt.Errorf("%w: fact %s appears twice", writ.ErrInvalid, f.Name)
		}
		r.facts = append(r.facts, fact{f.Name, typ, at})
		r.entry.Facts = append(r.entry.Facts, connector.Fact{Name: f.Name, Type: typ, Title: f.Title})
	}
	return r, nil
}

// Observe makes one reading. A fact whose value is missing or of another type is left out, and then no condition on it
// holds.
func (x *Connector) Observe(ctx context.Context, q connector.Query) (connector.Reading, error) {
	r, ok := x.readers[q.Reader]
	if !ok {
		return connector.Reading{}, &writ.Refusal{
			Code: writ.ReasonUnknownReader, Detail: fmt.Sprintf("%s has no reader %q", x.target, writ.Printable(string(q.Reader), 80)), Kind: writ.ErrInvalid,
		}
	}
	if err := r.get.checkParameters(q.With); err != nil {
		return connector.Reading{}, err
	}
	if _, err := x.locate(r.object, q.With, q.Scope); err != nil {
		return connector.Reading{}, err
	}
	path, query := r.get.call(q.With)
	a, err := x.fetch(ctx, path, query)
	if err != nil {
		return connector.Reading{}, err
	}
	out := connector.Reading{Source: "GET " + x.base.EscapedPath() + path, At: x.now(), Truncated: a.cut, Writable: r.entry.Writable}
	if query != "" {
		out.Source += "?" + query
	}
	var v any
	if a.cut {
		a.body = []byte(redact.Unfinished(string(a.body)))
	}
	out.Bytes, v, out.Redacted = scrub(a.body)
	if v != nil && !a.cut && len(r.facts) > 0 {
		out.Facts = r.observe(v)
	}
	if len(out.Bytes) > q.Limit {
		out.Bytes, out.Truncated = shorten(out.Bytes, max(q.Limit, 0)), true
	}
	return out, nil
}

func (r *reader) observe(v any) writ.Observation {
	o := writ.Observation{}
	for _, f := range r.facts {
		x, ok := f.at.scalar(v)
		if !ok {
			continue
		}
		switch f.typ {
		case connector.TypeInteger:
			_, ok = x.Int64()
		case connector.TypeBool:
			_, ok = x.IsTrue()
		default:
			var s string
			s, ok = x.Str()
			ok = ok && writ.IsName(s)
		}
		if ok {
			o[f.name] = x
		}
	}
	return o
}
