package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Pointers name members of a JSON document (RFC 6901). Group, Status and Service are needed; the others may be empty.
type Pointers struct {
	Group    string // events with one value here are one problem
	Status   string // compared with Resolved and Firing
	Service  string
	Severity string
	Title    string
	Summary  string // a sentence for people; text that others can write
	ID       string // of the event; CloudEvents have their own
	At       string // when it happened, RFC 3339; CloudEvents have their own
}

// maxPointer bounds a pointer, and with it its depth.
const maxPointer = 256

// CheckPointer checks the form of a JSON pointer.
func CheckPointer(p string) error {
	bad := fmt.Errorf("%w: a JSON pointer is like /data/service, of at most %d bytes; ~ is written ~0 and / in a name ~1", writ.ErrInvalid, maxPointer)
	if !strings.HasPrefix(p, "/") || len(p) > maxPointer {
		return bad
	}
	rest := strings.NewReplacer("~0", "", "~1", "").Replace(p)
	if strings.Contains(rest, "~") {
		return bad
	}
	return nil
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// at looks a pointer up. Strings, numbers and booleans have a text; anything else, and nothing, has none.
func at(doc any, pointer string) (string, bool) {
	if pointer == "" {
		return "", false
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		part = unescape.Replace(part)
		switch x := doc.(type) {
		case map[string]any:
			v, ok := x[part]
			if !ok {
				return "", false
			}
			doc = v
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(x) || strconv.Itoa(n) != part {
				return "", false
			}
			doc = x[n]
		default:
			return "", false
		}
	}
	switch x := doc.(type) {
	case string:
		return x, true
	case json.Number:
		return x.String(), true
	case bool:
		return strconv.FormatBool(x), true
	}
	return "", false
}

// document parses one JSON object and nothing after it.
func document(b []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil || doc == nil || !onceEach(b) {
		return nil, fmt.Errorf("%w: no JSON object", writ.ErrInvalid)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: something follows the JSON object", writ.ErrInvalid)
	}
	return doc, nil
}

// maxDepth bounds nesting: an event names a few things of one problem.
const maxDepth = 64

// onceEach reports whether in JSON each member stands once and nothing is nested too deep. Senders that fill text into a template
// let whoever wrote the text add a member; which of two counts is then the reader's whim.
func onceEach(b []byte) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	type level struct {
		seen map[string]bool // of an object; nil of a list
		name bool            // a name comes next
	}
	var open []level
	for {
		t, err := d.Token()
		if err != nil {
			return err == io.EOF
		}
		last := len(open) - 1
		if name, ok := t.(string); ok && last >= 0 && open[last].name {
			if open[last].seen[name] {
				return false
			}
			open[last].seen[name], open[last].name = true, false
			continue
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if len(open) == maxDepth {
				return false
			}
			open = append(open, level{})
			if t == json.Delim('{') {
				open[len(open)-1] = level{map[string]bool{}, true}
			}
			continue
		case json.Delim('}'), json.Delim(']'):
			open, last = open[:last], last-1
		}
		if last >= 0 { // a value has ended
			open[last].name = open[last].seen != nil
		}
	}
}

// webhook reads plain JSON by the source's pointers.
func (s Source) webhook(body []byte) (Event, said, error) {
	doc, err := document(body)
	if err != nil {
		return Event{}, said{}, s.bad("the body must be one JSON object, each member of it once, at most %d deep", maxDepth)
	}
	return s.pointed(doc)
}

// pointed reads a document by the source's pointers.
func (s Source) pointed(doc map[string]any) (Event, said, error) {
	var bad error
	get := func(name, pointer string, limit int, needed bool) string {
		v, ok := at(doc, pointer)
		if bad == nil && (needed && v == "" || ok && len(v) > limit) {
			bad = s.bad("%s, at %s, must be text, a number or a boolean of 1 to %d bytes", name, pointer, limit)
		}
		return v
	}
	p := s.Pointers
	key := get("group", p.Group, maxKey, true)
	status := get("status", p.Status, maxText, true)
	x := said{get("service", p.Service, maxText, true), get("severity", p.Severity, maxText, false)}
	title := get("title", p.Title, maxText, false)
	summary := get("summary", p.Summary, maxMapped, false)
	e := Event{ID: get("id", p.ID, maxID, false)}
	when := get("at", p.At, maxText, p.At != "")
	if bad != nil {
		return Event{}, said{}, bad
	}
	if when != "" {
		t, err := time.Parse(time.RFC3339, when)
		if err != nil {
			return Event{}, said{}, s.bad("at, at %s, must be a time like 2026-11-22T02:04:05Z", p.At)
		}
		e.At = t
	}
	over := slices.Contains(s.Resolved, status)
	if !over && len(s.Firing) > 0 && !slices.Contains(s.Firing, status) {
		e.Other = true
		return e, x, nil
	}
	var notes map[string]string
	if summary != "" {
		notes = map[string]string{"summary": summary}
	}
	e.Group = one(key, writ.Printable(title, maxText), !over, e.At, notes)
	return e, x, nil
}
