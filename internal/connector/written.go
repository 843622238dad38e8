package connector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

// Apart takes the bytes of a reading apart by who could have written them: trusted is text that only the target and the
// service's owners write, foreign is what users of the service, or attackers, write. Of a reader with a table of fields,
// the JSON values of its bytes are gone through, and a field of the table is foreign with all below it, names included.
// What is no whole JSON value, because it was cut or never was one, is foreign. Values stand one a line.
func (r Reader) Apart(b []byte) (trusted, foreign []byte) {
	switch {
	case !r.Writable:
		return b, nil
	case len(r.Fields) == 0:
		return nil, b
	}
	var s sides
	table := make([][]string, len(r.Fields))
	for i, f := range r.Fields {
		table[i] = strings.Split(f, ".")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		at := d.InputOffset()
		var v any
		err := d.Decode(&v)
		if err == io.EOF {
			break
		}
		if err != nil {
			s.foreign.Write(b[min(at, int64(len(b))):])
			break
		}
		s.walk(v, table)
	}
	return s.trusted.Bytes(), s.foreign.Bytes()
}

type sides struct{ trusted, foreign bytes.Buffer }

// walk goes through one value; table holds the paths, from here on, of what is foreign.
func (s *sides) walk(v any, table [][]string) {
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
				s.all(e)
				continue
			}
			s.walk(e, below)
		}
	case []any: // an element has the path of its list
		for _, e := range v {
			s.walk(e, table)
		}
	case string:
		s.trusted.WriteString(v + "\n")
	}
}

// all takes a value whole as foreign.
func (s *sides) all(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			s.foreign.WriteString(name + "\n")
			s.all(e)
		}
	case []any:
		for _, e := range v {
			s.all(e)
		}
	case string:
		s.foreign.WriteString(v + "\n")
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
