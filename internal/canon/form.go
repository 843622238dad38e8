package canon

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"
)

// Canonical reports, by an error otherwise, that b is JSON in its canonical form.
func Canonical(b []byte) error {
	if isCanonical(b) {
		return nil
	}
	w := works.Get().(*work) // says what is wrong
	defer w.done()
	var err error
	if w.form, err = w.scan(w.form[:0], b); err != nil {
		return err
	}
	if !bytes.Equal(w.form, b) {
		return fmt.Errorf("%w: not in canonical form", ErrForm)
	}
	return nil
}

// isCanonical reports whether b is what scan would write for b. It writes nothing: it looks at each byte once.
func isCanonical(b []byte) bool {
	f := former{b: b}
	return f.whole()
}

// A former looks whether a text is in canonical form, and notes where its values stand.
type former struct {
	b     []byte
	note  bool
	nodes []node
}

// A node is one value of a text.
type node struct {
	name     int32 // where the name of a member begins, behind its quote; 0 for what is no member
	from, to int32 // where its text stands
	next     int32 // the node after it and all that is in it
}

func (f *former) whole() bool {
	return len(f.b) <= math.MaxInt32 && utf8.Valid(f.b) && f.value(0, 0, 0) == len(f.b)
}

// value returns where the canonical value that begins at at ends, or -1. name is where its name begins.
func (f *former) value(at, name, depth int) int {
	if depth > MaxDepth || at >= len(f.b) {
		return -1
	}
	if !f.note {
		return f.any(at, depth)
	}
	i := len(f.nodes)
	f.nodes = append(f.nodes, node{name: int32(name), from: int32(at)})
	end := f.any(at, depth)
	f.nodes[i].to, f.nodes[i].next = int32(end), int32(len(f.nodes))
	return end
}

func (f *former) any(at, depth int) int {
	switch f.b[at] {
	case '"':
		return formedText(f.b, at)
	case '{':
		return f.object(at, depth)
	case '[':
		return f.list(at, depth)
	case 't':
		return formedWord(f.b, at, "true")
	case 'f':
		return formedWord(f.b, at, "false")
	}
	return formedNumber(f.b, at)
}

func (f *former) object(at, depth int) int {
	b := f.b
	if at++; at < len(b) && b[at] == '}' {
		return at + 1
	}
	var before []byte
	for {
		from := at + 1
		if at = formedName(b, at); at < 0 || at >= len(b) || b[at] != ':' {
			return -1
		}
		name := unescaped(b[from : at-1])
		if before != nil && compare(before, name) >= 0 { // names ascend, so none stands twice
			return -1
		}
		before = name
		if at = f.value(at+1, from, depth+1); at < 0 || at >= len(b) {
			return -1
		}
		switch b[at] {
		case ',':
			at++
		case '}':
			return at + 1
		default:
			return -1
		}
	}
}

func (f *former) list(at, depth int) int {
	if at++; at < len(f.b) && f.b[at] == ']' {
		return at + 1
	}
	for {
		if at = f.value(at, 0, depth+1); at < 0 || at >= len(f.b) {
			return -1
		}
		switch f.b[at] {
		case ',':
			at++
		case ']':
			return at + 1
		default:
			return -1
		}
	}
}

// A kind says what a byte is inside of a string.
type kind uint8

const (
	itself  kind = iota // stands for itself
	control             // must be escaped
	mark                // ends the string, or begins an escape
	lead                // may begin the replacement character
)

var kinds = func() (out [256]kind) {
	for c := range ' ' {
		out[c] = control
	}
	out['"'], out['\\'], out[replacement[0]] = mark, mark, lead
	return out
}()

// formedName takes a member name, in which the replacement character is one like others.
func formedName(b []byte, at int) int {
	if at >= len(b) || b[at] != '"' {
		return -1
	}
	for at++; at < len(b); at++ {
		switch kinds[b[at]] {
		case control:
			return -1
		case mark:
			if b[at] == '"' {
				return at + 1
			}
			if at = formedEscape(b, at); at < 0 {
				return -1
			}
		}
	}
	return -1
}

// unescaped is the name that text with canonical escapes stands for: names are ordered by that.
func unescaped(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	s := scanner{src: append(bytes.Clone(text), '"')}
	name, _, err := s.text()
	if err != nil { // of what formedName takes, none is
		return text
	}
	return name
}

// formedText takes a string whose escapes are the canonical ones (RFC 8785 section 3.2.2.2), without a replacement character.
func formedText(b []byte, at int) int {
	for at++; at < len(b); at++ {
		switch kinds[b[at]] {
		case itself:
		case mark:
			if b[at] == '"' {
				return at + 1
			}
			if at = formedEscape(b, at); at < 0 {
				return -1
			}
		case lead:
			if bytes.HasPrefix(b[at:], replacement) {
				return -1
			}
		default:
			return -1
		}
	}
	return -1
}

// formedEscape returns the place of the last byte of the canonical escape that begins at at, or -1.
func formedEscape(b []byte, at int) int {
	if at+1 >= len(b) {
		return -1
	}
	switch b[at+1] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return at + 1
	}
	if len(b)-at < len(`\u0000`) {
		return -1
	}
	for c := range byte(' ') { // control characters, of which those above have no other form
		var form [len(`\u0000`)]byte
		if bytes.Equal(b[at:at+len(form)], escape(form[:0], c)) {
			return at + len(form) - 1
		}
	}
	return -1
}

func formedWord(b []byte, at int, word string) int {
	if len(b)-at < len(word) || string(b[at:at+len(word)]) != word {
		return -1
	}
	return at + len(word)
}

// formedNumber takes a plain integer within MaxInt.
func formedNumber(b []byte, at int) int {
	negative := b[at] == '-'
	if negative {
		at++
	}
	from, n := at, int64(0)
	for ; at < len(b) && b[at] >= '0' && b[at] <= '9'; at++ {
		if n <= MaxInt {
			n = n*10 + int64(b[at]-'0')
		}
	}
	if at == from || n > MaxInt || b[from] == '0' && (negative || at-from > 1) {
		return -1
	}
	return at // what follows it, a point for one, no caller takes
}
