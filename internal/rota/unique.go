package rota

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// maxDepth is deeper than any answer of an on-call tool.
const maxDepth = 32

// unique reports whether b is one JSON value in which no object has a member twice, in whatever letters: another reader could
// take the other one. Unlike Writ's own form it lets null and fractions pass, which on-call tools send.
func unique(b []byte) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if !uniqueValue(d, 0) {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}

func uniqueValue(d *json.Decoder, depth int) bool {
	t, err := d.Token()
	if err != nil || depth > maxDepth {
		return false
	}
	open, ok := t.(json.Delim)
	if !ok {
		return true
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return false
			}
			key := strings.ToLower(name.(string)) // the decoder has seen to it that it is one
			if seen[key] {
				return false
			}
			seen[key] = true
		}
		if !uniqueValue(d, depth+1) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}
