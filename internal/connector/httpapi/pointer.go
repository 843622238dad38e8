package httpapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// A pointer is a parsed JSON pointer (RFC 6901) that selects one member below the root.
type pointer struct {
	text string
	path []string
}

func parsePointer(s string) (pointer, error) {
	if !strings.HasPrefix(s, "/") || len(s) > 500 {
		return pointer{}, fmt.Errorf("%w: %q is not a JSON pointer such as /status/ready", writ.ErrInvalid, writ.Printable(s, 80))
	}
	p := pointer{text: s}
	for part := range strings.SplitSeq(s[1:], "/") {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(part); strings.Contains(rest, "~") {
			return pointer{}, fmt.Errorf("%w: %q: ~ is written ~0 and / is written ~1", writ.ErrInvalid, writ.Printable(s, 80))
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		p.path = append(p.path, part)
	}
	return p, nil
}

// find returns what p selects in a value that was decoded with UseNumber.
func (p pointer) find(v any) (any, bool) {
	for _, part := range p.path {
		switch t := v.(type) {
		case map[string]any:
			x, ok := t[part]
			if !ok {
				return nil, false
			}
			v = x
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(t) || strconv.Itoa(i) != part {
				return nil, false
			}
			v = t[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// scalar returns what p selects as a Value: a string, a whole number or a truth value.
func (p pointer) scalar(v any) (writ.Value, bool) {
	x, ok := p.find(v)
	if !ok {
		return writ.Value{}, false
	}
	switch t := x.(type) {
	case string:
		return writ.String(t), true
	case bool:
		return writ.Bool(t), true
	case json.Number:
		n, err := strconv.ParseInt(t.String(), 10, 64)
		if err != nil || n > canon.MaxInt || n < -canon.MaxInt {
			return writ.Value{}, false
		}
		return writ.Int(n), true
	}
	return writ.Value{}, false
}

// integer returns what p selects as a whole number.
func (p pointer) integer(v any) (int64, bool) {
	x, ok := p.scalar(v)
	if !ok {
		return 0, false
	}
	return x.Int64()
}
