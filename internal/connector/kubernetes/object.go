package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/writ-dev/writ"
)

// An object is any Kubernetes object as JSON. Numbers stay json.Number, so that nothing is lost on the way through.
type object map[string]any

// parseObject takes one JSON object and nothing after it.
func parseObject(b []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		return nil, fmt.Errorf("%w: the target's answer is not a JSON object", writ.ErrInvalid)
	}
	if _, err := d.Token(); err != io.EOF || o == nil {
		return nil, fmt.Errorf("%w: the target's answer is not one JSON object", writ.ErrInvalid)
	}
	return o, nil
}

// bytes renders o with sorted keys and without a newline; equal objects have equal bytes.
func (o object) bytes() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		return nil, fmt.Errorf("%w: object: %v", writ.ErrInvalid, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// at returns what stands at path, or nil.
func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func (o object) str(path ...string) string    { s, _ := o.at(path...).(string); return s }
func (o object) truth(path ...string) bool    { b, _ := o.at(path...).(bool); return b }
func (o object) list(path ...string) []any    { l, _ := o.at(path...).([]any); return l }
func (o object) sub(path ...string) object    { m, _ := o.at(path...).(map[string]any); return m }
func (o object) has(path ...string) bool      { return o.at(path...) != nil }
func (o object) name() string                 { return o.str("metadata", "name") }
func (o object) uid() string                  { return o.str("metadata", "uid") }
func (o object) version() string              { return o.str("metadata", "resourceVersion") }
func (o object) annotation(key string) string { return o.str("metadata", "annotations", key) }

// num returns the whole number at path, or otherwise.
func (o object) num(otherwise int64, path ...string) int64 {
	n, ok := o.at(path...).(json.Number)
	if !ok {
		return otherwise
	}
	i, err := n.Int64()
	if err != nil {
		return otherwise
	}
	return i
}

// number is i as an object holds it.
func number(i int64) json.Number { return json.Number(strconv.FormatInt(i, 10)) }

// set puts v at path and makes the objects on the way.
func (o object) set(v any, path ...string) {
	m := map[string]any(o)
	for _, p := range path[:len(path)-1] {
		next, ok := m[p].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[p] = next
		}
		m = next
	}
	m[path[len(path)-1]] = v
}

// drop removes what stands at path.
func (o object) drop(path ...string) {
	delete(o.sub(path[:len(path)-1]...), path[len(path)-1])
}

// dropEmpty removes an object or list at path that holds nothing.
func (o object) dropEmpty(path ...string) {
	switch v := o.at(path...).(type) {
	case map[string]any:
		if len(v) == 0 {
			o.drop(path...)
		}
	case []any:
		if len(v) == 0 {
			o.drop(path...)
		}
	}
}

// clone copies o deeply.
func (o object) clone() object { c, _ := cloned(map[string]any(o)).(map[string]any); return c }

func cloned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for k, e := range v {
			c[k] = cloned(e)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = cloned(e)
		}
		return c
	}
	return v
}

// objects returns the elements of a list that are objects.
func objects(l []any) []object {
	var out []object
	for _, e := range l {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
