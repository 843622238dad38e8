package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/writ-dev/writ"
)

// MaxDocument bounds the OpenAPI document: the largest published ones have some 10 MiB.
const MaxDocument = 16 << 20

// A document is a checked OpenAPI document.
type document struct{ t *openapi3.T }

// parseDocument loads and validates an OpenAPI 3 document. References to other files or hosts are refused.
func parseDocument(b []byte) (document, error) {
	if len(b) == 0 || len(b) > MaxDocument {
		return document{}, fmt.Errorf("%w: the OpenAPI document must have 1 to %d bytes", writ.ErrInvalid, MaxDocument)
	}
	l := openapi3.NewLoader()
	l.IsExternalRefsAllowed = false
	t, err := l.LoadFromData(b)
	if err == nil {
		err = t.Validate(context.Background())
	}
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return document{}, fmt.Errorf("%w: OpenAPI document: %s", writ.ErrInvalid, writ.Printable(line, 300))
	}
	return document{t}, nil
}

// An endpoint is one operation of the document with everything that a request to it needs.
type endpoint struct {
	id     string
	method string
	path   template
	params []param
	body   *openapi3.Schema // nil: the operation takes none
	etag   bool             // the document demands If-Match
	json   bool             // it answers with JSON
}

// Where a parameter goes.
const (
	inPath  = "path"
	inQuery = "query"
	inBody  = "body"
)

// endpoint finds the operation with that operationId and derives its typed parameters.
func (d document) endpoint(id string, narrow []ParameterConfig) (endpoint, error) {
	bad := func(format string, args ...any) (endpoint, error) {
		return endpoint{}, fmt.Errorf("%w: operationId %s: %s", writ.ErrInvalid, writ.Printable(id, 80), fmt.Sprintf(format, args...))
	}
	path, method, item, op := d.find(id)
	if op == nil {
		return bad("the document has no such operation")
	}
	e := endpoint{id: id, method: method}
	all := append(slices.Clone(op.Parameters), item.Parameters...) // the operation's own come first and win
	seen := map[string]bool{}
	for _, ref := range all {
		p := ref.Value
		if p == nil || seen[p.In+" "+p.Name] {
			continue
		}
		seen[p.In+" "+p.Name] = true
		switch p.In {
		case openapi3.ParameterInPath, openapi3.ParameterInQuery:
			if p.Schema == nil || p.AllowReserved || p.Style != "" && p.Style != openapi3.SerializationSimple && p.Style != openapi3.SerializationForm {
				return bad("parameter %q must have a schema and the default style", writ.Printable(p.Name, 40))
			}
			x, err := derive(p.Name, p.In, p.Description, !p.Required, p.Schema.Value, narrow)
			if err != nil {
				return bad("%v", err)
			}
			e.params = append(e.params, x)
		case openapi3.ParameterInHeader:
			name := http.CanonicalHeaderKey(p.Name)
			e.etag = e.etag || name == "If-Match" && p.Required
			if p.Required && name != "If-Match" && name != "Idempotency-Key" && name != "Authorization" {
				return bad("it demands the header %s, which cannot be sent", writ.Printable(p.Name, 40))
			}
		default:
			if p.Required {
				return bad("it demands a %s parameter, which cannot be sent", writ.Printable(p.In, 20))
			}
		}
	}
	if err := e.addBody(op, narrow); err != nil {
		return bad("%v", err)
	}
	if err := e.addPath(path); err != nil {
		return bad("%v", err)
	}
	for i, p := range e.params {
		if slices.ContainsFunc(e.params[:i], func(q param) bool { return q.spec.Name == p.spec.Name }) {
			return bad("two parameters are named %q; rename one under parameters", p.spec.Name)
		}
	}
	if r := op.Responses.Status(http.StatusOK); r != nil && r.Value != nil {
		e.json = r.Value.Content["application/json"] != nil
	}
	return e, nil
}

// narrowed refuses a narrowing of a parameter that e does not have.
func (e endpoint) narrowed(narrow []ParameterConfig) error {
	for _, n := range narrow {
		if !slices.Contains(e.names(), n.Name) {
			return fmt.Errorf("%w: operationId %s: parameters: there is no parameter %q to narrow", writ.ErrInvalid, e.id, writ.Printable(n.Name, 40))
		}
	}
	return nil
}

func (d document) find(id string) (path, method string, item *openapi3.PathItem, op *openapi3.Operation) {
	if d.t.Paths == nil || id == "" {
		return
	}
	for path, item := range d.t.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == id { // unique in a valid document
				return path, method, item, op
			}
		}
	}
	return
}

// addBody takes an object of bounded scalars as JSON, or no body.
func (e *endpoint) addBody(op *openapi3.Operation, narrow []ParameterConfig) error {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return nil
	}
	m := op.RequestBody.Value.Content["application/json"]
	if m == nil || m.Schema == nil || m.Schema.Value == nil || !m.Schema.Value.Type.Is(openapi3.TypeObject) {
		return fmt.Errorf("its body must be a JSON object (application/json)")
	}
	e.body = m.Schema.Value
	for _, name := range sortedKeys(e.body.Properties) {
		p := e.body.Properties[name].Value
		if p == nil || p.ReadOnly {
			continue
		}
		x, err := derive(name, inBody, p.Description, !slices.Contains(e.body.Required, name), p, narrow)
		if err != nil {
			return err
		}
		e.params = append(e.params, x)
	}
	return nil
}

// addPath parses the path template under the parameters' names of the catalogue.
func (e *endpoint) addPath(path string) error {
	var names []string
	for _, p := range e.params {
		if p.in != inPath {
			continue
		}
		path = strings.ReplaceAll(path, "{"+p.document+"}", "{"+p.spec.Name+"}")
		names = append(names, p.spec.Name)
	}
	var err error
	if e.path, err = parseTemplate(path, names); err != nil {
		return err
	}
	if strings.Contains(path, "//") || strings.Contains(path, "..") || strings.ContainsAny(path, "?#%\\ ") || !strings.HasPrefix(path, "/") {
		return fmt.Errorf("the path %q is not plain", writ.Printable(path, 80))
	}
	return nil
}

func (e endpoint) names(in ...string) []string {
	var out []string
	for _, p := range e.params {
		if len(in) == 0 || slices.Contains(in, p.in) {
			out = append(out, p.spec.Name)
		}
	}
	return out
}
