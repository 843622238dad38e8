package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// A state is an object as its GET answered.
type state struct {
	json any
	uid  string
	etag string
}

// An image is what a pre-image and an after-image hold: the object's identity and version, and the fields that the
// operation writes, by JSON pointer. An after-image also holds all plain values of the state, to tell an object that
// somebody changed since from one that is as it was left; without them the version decides.
type image struct {
	UID     string          `json:"uid"`
	Version string          `json:"version"`
	Fields  writ.Parameters `json:"fields"`
	State   writ.Parameters `json:"state,omitempty"`
}

func (m image) bytes() ([]byte, error) { return canon.Marshal(m) }

func parseImage(b []byte) (image, error) {
	var m image
	if err := canon.Parse(b, &m); err != nil {
		return image{}, fmt.Errorf("%w: the image of an object", writ.ErrInvalid)
	}
	return m, nil
}

// get reads the object of an operation with the connector's read-only token.
func (x *Connector) get(ctx context.Context, o *operation, with writ.Parameters) (state, error) {
	path, query := o.read.call(only(with, o.read.names(inPath)))
	a, err := x.fetch(ctx, path, query)
	if err != nil {
		return state{}, err
	}
	v, err := decode(a.body)
	if err != nil || a.cut {
		return state{}, writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("GET %s: the answer is not one JSON value of at most %d bytes", path, maxAnswer))
	}
	uid, ok := o.uid.scalar(v)
	if !ok || plain(uid) == "" {
		return state{}, writ.Refuse(writ.ReasonNoObject, fmt.Sprintf("GET %s: the answer has no identity at %s", path, o.uid.text))
	}
	if !isETag(a.etag) {
		return state{}, writ.Refuse(writ.ReasonNoObject, fmt.Sprintf("GET %s: the answer has no strong ETag", path))
	}
	return state{json: v, uid: plain(uid), etag: a.etag}, nil
}

// fetch makes one GET with the read-only token, and once more with a new token if that one was refused.
func (x *Connector) fetch(ctx context.Context, path, query string) (answer, error) {
	for second := false; ; second = true {
		token, err := x.reader(ctx)
		if err != nil {
			return answer{}, err
		}
		a, err := x.send(ctx, request{method: http.MethodGet, path: path, query: query, token: token})
		if err != nil {
			return answer{}, &writ.Refusal{Code: writ.ReasonUnreachable, Detail: fmt.Sprintf("GET %s: %v", path, err), Kind: writ.ErrUnavailable}
		}
		switch {
		case a.status == http.StatusOK:
			return a, nil
		case a.status == http.StatusUnauthorized && !second:
			x.reading.forget(token)
			continue
		case a.status == http.StatusNotFound || a.status == http.StatusGone:
			return answer{}, writ.Refuse(writ.ReasonNoObject, fmt.Sprintf("GET %s: there is no such object", path))
		case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
			return answer{}, writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("GET %s: the target refuses the runner's reading: %d", path, a.status))
		}
		return answer{}, &writ.Refusal{Code: writ.ReasonUnreachable, Detail: fmt.Sprintf("GET %s: status %d", path, a.status), Kind: writ.ErrUnavailable}
	}
}

// isETag takes a strong entity tag (RFC 9110 section 8.8.3) that fits a plan.
func isETag(s string) bool {
	if len(s) < 3 || len(s) > 256 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	return strings.IndexFunc(s[1:len(s)-1], func(r rune) bool { return r <= ' ' || r == '"' || r >= 0x7f }) < 0
}

// only keeps the named parameters.
func only(with writ.Parameters, names []string) writ.Parameters {
	out := writ.Parameters{}
	for _, n := range names {
		if v, ok := with[n]; ok {
			out[n] = v
		}
	}
	return out
}

// fieldsOf reads the fields that the operation writes. Where the state lacks one, or it is no scalar, the operation
// could not be undone.
func (o *operation) fieldsOf(s state) (writ.Parameters, error) {
	out := writ.Parameters{}
	for _, name := range sortedKeys(o.fields) {
		p := o.fields[name]
		v, ok := p.scalar(s.json)
		if !ok {
			return nil, writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("the object's state has no plain value at %s", p.text))
		}
		out[p.text] = v
	}
	if o.inverse != nil {
		for _, name := range sortedKeys(o.inverse.from) {
			p := o.inverse.from[name]
			v, ok := p.scalar(s.json)
			if !ok {
				return nil, writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("the object's state has no plain value at %s", p.text))
			}
			out[p.text] = v
		}
	}
	return out, nil
}

// wanted is what the fields are once the call has been applied to an object with the fields before.
func (o *operation) wanted(with, before writ.Parameters) writ.Parameters {
	out := writ.Parameters{}
	for k, v := range before {
		out[k] = v
	}
	for name, p := range o.fields {
		if v, ok := with[name]; ok {
			out[p.text] = v
		}
	}
	return out
}

// maxStateValues bounds how many plain values of a state an after-image keeps.
const maxStateValues = 1000

// valuesOf lists all plain values of a state by JSON pointer, but for those that say who changed it last. It returns
// nil if there are too many, or one that is not plain (null, a fraction): then the version decides.
func (o *operation) valuesOf(s state) writ.Parameters {
	out := writ.Parameters{}
	if !flatten("", s.json, out) {
		return nil
	}
	for _, p := range []*pointer{o.by, o.key} {
		if p != nil {
			delete(out, p.text)
		}
	}
	return out
}

func flatten(at string, v any, out writ.Parameters) bool {
	switch t := v.(type) {
	case map[string]any:
		for k, e := range t {
			if !flatten(at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(k), e, out) {
				return false
			}
		}
		return true
	case []any:
		for i, e := range t {
			if !flatten(at+"/"+strconv.Itoa(i), e, out) {
				return false
			}
		}
		return true
	}
	x, ok := pointer{}.scalar(v)
	out[at] = x
	return ok && len(out) <= maxStateValues
}

// moved lists what is different from the after-image, field by field as far as that is known.
func (o *operation) moved(was image, now state, fields writ.Parameters) []string {
	before, after := was.Fields, fields
	if values := o.valuesOf(now); was.State != nil && values != nil {
		before, after = was.State, values
	} else if was.Version != now.etag {
		return append(describe(differences(before, after), before, after), "its version is another one")
	}
	return describe(differences(before, after), before, after)
}

// differences lists the fields whose values differ, sorted.
func differences(a, b writ.Parameters) []string {
	var out []string
	for _, k := range sortedKeys(a) {
		if a[k] != b[k] {
			out = append(out, k)
		}
	}
	for _, k := range sortedKeys(b) {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	return out
}

// changedBy says who changed the object last, in the target's words; empty if it does not say.
func (o *operation) changedBy(s state) string {
	if o.by == nil {
		return ""
	}
	v, ok := o.by.scalar(s.json)
	if !ok {
		return ""
	}
	return writ.Printable(plain(v), 60)
}

// changedKey reports whether the object's last write carried that idempotency key; known is false if the target does
// not say.
func (o *operation) changedKey(s state, key string) (ours, known bool) {
	if o.key == nil {
		return false, false
	}
	v, ok := o.key.scalar(s.json)
	return ok && v == writ.String(key), ok
}
