package httpapi

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/writ-dev/writ/internal/redact"
)

// redacted is a value that is shown, without secrets.
func redacted(s string) string {
	out, _ := redact.Text(s)
	return out
}

// scrub takes the secrets out of an answer. JSON is looked at member by member and written anew; all else as text.
// value is nil unless the answer is one JSON value.
func scrub(b []byte) (out []byte, value any, removed int) {
	if v, err := decode(b); err == nil {
		v, n := redact.Value(v)
		var w bytes.Buffer
		e := json.NewEncoder(&w)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err == nil {
			return bytes.TrimSuffix(w.Bytes(), []byte("\n")), v, n
		}
	}
	s, n := redact.Text(strings.ToValidUTF8(string(b), "\uFFFD"))
	return []byte(s), nil, n
}

// shorten cuts b to at most limit bytes, at the border of a character.
func shorten(b []byte, limit int) []byte {
	return []byte(strings.ToValidUTF8(string(b[:limit]), ""))
}

// numbers gives v, decoded with UseNumber, its numbers as float64, which is what schemas are checked against. They are
// whole and within 2^53, so nothing is lost.
func numbers(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		if n, ok := e.(json.Number); ok {
			f, err := n.Float64()
			if err != nil {
				return v
			}
			e = f
		}
		out[k] = e
	}
	return out
}
