package connector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// maxFields bounds a reader's table of fields that others write: a handful of places of one answer.
const maxFields = 32

// checkFields refuses a table of fields that could not be looked up.
func (r Reader) checkFields() error {
	if len(r.Fields) > maxFields || len(r.Fields) > 0 && !r.Writable {
		return fmt.Errorf("%w: reader %s: at most %d fields that others write, and only of a reader that is writable", writ.ErrInvalid, r.Name, maxFields)
	}
	for _, f := range r.Fields {
		for part := range strings.SplitSeq(f, ".") {
			if part == "" || len(part) > 100 {
				return fmt.Errorf("%w: reader %s: field %q is names with dots between", writ.ErrInvalid, r.Name, writ.Printable(f, 60))
			}
		}
	}
	return nil
}

// Trusted is the part of a reading's bytes that only the target and the service's owners could have written; all else is text of users
// of the service, or of attackers. Of a reader with a table of fields, the JSON values of its bytes are gone through, and a field of the
// table is not trusted, with all below it, names included. Nor is what is no whole JSON value, because it was cut or never was one. Of a
// reader without a table that others write, nothing is. Values stand one a line.
func (r Reader) Trusted(b []byte) []byte {
	switch {
	case !r.Writable:
		return b
	case len(r.Fields) == 0:
		return nil
	}
	table := make([][]string, len(r.Fields))
	for i, f := range r.Fields {
		table[i] = strings.Split(f, ".")
	}
	var out bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		var v any
		if d.Decode(&v) != nil { // the end, or no JSON from here on
			return out.Bytes()
		}
		walk(&out, v, table)
	}
}

// walk writes what is trusted of one value; table holds the paths, from here on, of what is not.
func walk(out *bytes.Buffer, v any, table [][]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			var below [][]string
			foreign := false
			for _, path := range table {
				if path[0] != name && path[0] != "*" {
					continue
				}
				if len(path) == 1 {
					foreign = true
					break
				}
				below = append(below, path[1:])
			}
			if foreign {
				continue
			}
			walk(out, e, below)
		}
	case []any: // an element has the path of its list
		for _, e := range v {
			walk(out, e, table)
		}
	case string:
		out.WriteString(v + "\n")
	}
}

// Names reports whether text has s as a whole name: not as a part of a longer one, so that a short value is not vouched for
// by every text that happens to contain its letters.
func Names(text []byte, s string) bool {
	for rest := text; s != ""; {
		i := bytes.Index(rest, []byte(s))
		if i < 0 {
			return false
		}
		if (i == 0 || !inName(rest[i-1])) && (i+len(s) == len(rest) || !inName(rest[i+len(s)])) {
			return true
		}
		rest = rest[i+1:]
	}
	return false
}

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c >= 0x80
}
