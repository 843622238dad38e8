package canon

import (
	"bytes"
	"fmt"
)

// MaxMembers bounds the members of one object that Members splits: above what any format of Writ has.
const MaxMembers = 64

// Members splits the text of one JSON object: it calls fn for each member, in the order in which they stand there, with its
// name and the text of its value. It is for readers who need a few members of many objects: it looks at what stands between
// values and not into them, so what is in a value is as good as its reader's own check. A name with an escape, one that
// stands twice, more than MaxMembers of them, and whatever is no object, is ErrForm. The slices are parts of b.
func Members(b []byte, fn func(name, value []byte) error) error {
	var names [MaxMembers][]byte
	n, sorted := 0, true
	return walk(b, '{', '}', func(name, value []byte) error {
		// In canonical form each name is above the one before, and then none can stand twice.
		if sorted = sorted && (n == 0 || bytes.Compare(names[n-1], name) < 0); !sorted {
			for _, before := range names[:n] {
				if bytes.Equal(before, name) {
					return fmt.Errorf("%w: a member stands twice", ErrForm)
				}
			}
		}
		if n == MaxMembers {
			return fmt.Errorf("%w: more than %d members", ErrForm, MaxMembers)
		}
		names[n] = name
		n++
		return fn(name, value)
	})
}

// Elements splits the text of one JSON list as Members splits an object.
func Elements(b []byte, fn func(value []byte) error) error {
	return walk(b, '[', ']', func(_, value []byte) error { return fn(value) })
}

func walk(b []byte, open, end byte, fn func(name, value []byte) error) error {
	bad := func(what string, at int) error { return fmt.Errorf("%w: %s at byte %d", ErrForm, what, at) }
	at := blank(b, 0)
	if at == len(b) || b[at] != open {
		return bad("another kind of value is wanted", at)
	}
	if at = blank(b, at+1); at < len(b) && b[at] == end {
		return rest(b, at+1)
	}
	for {
		var name []byte
		if open == '{' {
			from := at
			if at = quoted(b, at); at < 0 {
				return bad("a member name is not a string", from)
			}
			if name = b[from+1 : at-1]; bytes.IndexByte(name, '\\') >= 0 {
				return bad("a member name has an escape", from)
			}
			if at = blank(b, at); at == len(b) || b[at] != ':' {
				return bad("a member has no value", at)
			}
			at = blank(b, at+1)
		}
		from := at
		if at = value(b, at); at < 0 {
			return bad("no JSON value", from)
		}
		if err := fn(name, b[from:at]); err != nil {
			return err
		}
		if at = blank(b, at); at == len(b) {
			return bad("it ends too early", at)
		}
		switch b[at] {
		case ',':
			at = blank(b, at+1)
		case end:
			return rest(b, at+1)
		default:
			return bad("it goes on or ends here", at)
		}
	}
}

func rest(b []byte, at int) error {
	if blank(b, at) < len(b) {
		return fmt.Errorf("%w: something follows the value", ErrForm)
	}
	return nil
}

// blank returns where white space from at on ends.
func blank(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\t' || b[at] == '\r') {
		at++
	}
	return at
}

// quoted returns where the string that begins at at ends, or -1.
func quoted(b []byte, at int) int {
	if at >= len(b) || b[at] != '"' {
		return -1
	}
	for from := at + 1; ; {
		i := bytes.IndexByte(b[from:], '"')
		if i < 0 {
			return -1
		}
		from += i + 1
		escapes := 0
		for b[from-2-escapes] == '\\' { // ends at the latest before the opening quote
			escapes++
		}
		if escapes%2 == 0 {
			return from
		}
	}
}

// value returns where the value that begins at at ends, or -1. Brackets must match, MaxDepth of them at most.
func value(b []byte, at int) int {
	if at < len(b) && b[at] == '"' { // most are
		return quoted(b, at)
	}
	return nested(b, at)
}

func nested(b []byte, at int) int {
	var stack [MaxDepth + 1]byte
	depth := 0
	for at < len(b) {
		switch c := b[at]; c {
		case '"':
			if at = quoted(b, at); at < 0 {
				return -1
			}
		case '{', '[':
			if depth == len(stack) {
				return -1
			}
			stack[depth] = c + 2 // '}' and ']' stand two places behind
			depth++
			at++
			continue
		case '}', ']':
			if depth == 0 || stack[depth-1] != c {
				return -1
			}
			depth--
			at++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return -1
			}
			at++
			continue
		default: // a number or a word, which the reader of the value judges
			from := at
			for at < len(b) && (b[at] >= '0' && b[at] <= '9' || b[at] >= 'a' && b[at] <= 'z' || b[at] == '-' || b[at] == '+' || b[at] == '.' || b[at] == 'E') {
				at++
			}
			if at == from {
				return -1
			}
		}
		if depth == 0 {
			return at
		}
	}
	return -1
}
