package canon

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner reads one JSON value, checks it as Check says and writes its canonical form, in one pass. Members that are
// already in order, as those of canonical input are, are written where they belong at once.
type scanner struct {
	src     []byte
	at      int
	dst     []byte
	members []member // of the objects that are open, outermost first
	scratch []byte   // for members on their way to their place
}

// A member is one member of an object: its name, without escapes, and where its text stands in dst.
type member struct {
	name     []byte
	from, to int
}

// scan appends the canonical form of src to dst.
func (s *scanner) scan(dst, src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		return dst, fmt.Errorf("%w: invalid UTF-8", ErrForm)
	}
	s.src, s.at, s.dst, s.members = src, 0, dst, s.members[:0]
	if err := s.value(0); err != nil {
		return dst, err
	}
	if s.space(); s.at < len(s.src) {
		return dst, fmt.Errorf("%w: something follows the value", ErrForm)
	}
	return s.dst, nil
}

// forget lets go of what the scanner has seen, but for a little memory.
func (s *scanner) forget() {
	clear(s.members[:cap(s.members)])
	s.src, s.dst = nil, nil
	if cap(s.scratch) > maxKept || cap(s.members) > maxMembersKept {
		s.scratch, s.members = nil, nil
	}
}

// maxMembersKept is above what any format of Writ has open at once.
const maxMembersKept = 1024

// space skips white space.
func (s *scanner) space() {
	for s.at < len(s.src) {
		switch s.src[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// next skips white space and takes c, if it comes next.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.at < len(s.src) && s.src[s.at] == c {
		s.at++
		return true
	}
	return false
}

// word takes the rest of a literal.
func (s *scanner) word(w string) bool {
	if len(s.src)-s.at < len(w) || string(s.src[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

func (s *scanner) bad(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrForm, what, s.at)
}

func (s *scanner) value(depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrForm, MaxDepth)
	}
	s.space()
	if s.at == len(s.src) {
		return s.bad("a value is missing")
	}
	switch c := s.src[s.at]; {
	case c == '{':
		s.at++
		return s.object(depth)
	case c == '[':
		s.at++
		return s.array(depth)
	case c == '"':
		s.at++
		_, odd, err := s.text()
		if err == nil && odd {
			err = fmt.Errorf("%w: a replacement character or lone surrogate", ErrForm)
		}
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case s.word("true"):
		s.dst = append(s.dst, "true"...)
		return nil
	case s.word("false"):
		s.dst = append(s.dst, "false"...)
		return nil
	case s.word("null"):
		return fmt.Errorf("%w: null", ErrForm)
	}
	return s.bad("no JSON value")
}

func (s *scanner) array(depth int) error {
	s.dst = append(s.dst, '[')
	if s.next(']') {
		s.dst = append(s.dst, ']')
		return nil
	}
	for {
		if err := s.value(depth + 1); err != nil {
			return err
		}
		switch {
		case s.next(','):
			s.dst = append(s.dst, ',')
		case s.next(']'):
			s.dst = append(s.dst, ']')
			return nil
		default:
			return s.bad("a list goes on or ends here")
		}
	}
}

func (s *scanner) object(depth int) error {
	s.dst = append(s.dst, '{')
	first, begin, ordered := len(s.members), len(s.dst), true
	defer func() { s.members = s.members[:first] }()
	if s.next('}') {
		s.dst = append(s.dst, '}')
		return nil
	}
	for {
		m := member{from: len(s.dst)}
		if !s.next('"') {
			return s.bad("a member name is not a string")
		}
		var err error
		if m.name, _, err = s.text(); err != nil {
			return err
		}
		if !s.next(':') {
			return s.bad("a member has no value")
		}
		s.dst = append(s.dst, ':')
		if n := len(s.members); n > first && compare(s.members[n-1].name, m.name) >= 0 {
			ordered = false
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		m.to = len(s.dst)
		s.members = append(s.members, m)
		if s.next(',') {
			s.dst = append(s.dst, ',')
			continue
		}
		if !s.next('}') {
			return s.bad("an object goes on or ends here")
		}
		break
	}
	if !ordered {
		if err := s.arrange(s.members[first:], begin); err != nil {
			return err
		}
	}
	s.dst = append(s.dst, '}')
	return nil
}

// arrange puts the members of the object whose text begins at begin in order, and finds those that stand there twice.
func (s *scanner) arrange(members []member, begin int) error {
	slices.SortFunc(members, func(a, b member) int { return compare(a.name, b.name) })
	s.scratch = append(s.scratch[:0], s.dst[begin:]...)
	s.dst = s.dst[:begin]
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(m.name, members[i-1].name) {
				return fmt.Errorf("%w: member %q twice", ErrForm, m.name)
			}
			s.dst = append(s.dst, ',')
		}
		s.dst = append(s.dst, s.scratch[m.from-begin:m.to-begin]...)
	}
	return nil
}

// compare orders names by their UTF-16 code units (RFC 8785 section 3.2.3). That is the order of UTF-8 bytes, save that
// the code points beyond 16 bits come before U+E000 to U+FFFF.
func compare(a, b []byte) int {
	for len(a) > 0 && len(b) > 0 {
		if a[0] < utf8.RuneSelf && b[0] < utf8.RuneSelf {
			if a[0] != b[0] {
				return int(a[0]) - int(b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, n := utf8.DecodeRune(a)
		y, m := utf8.DecodeRune(b)
		if x != y {
			if (x > 0xFFFF) != (y > 0xFFFF) {
				x, y = unit(x), unit(y)
			}
			return int(x) - int(y)
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
}

// unit returns the first UTF-16 code unit of r.
func unit(r rune) rune {
	if r > 0xFFFF {
		r, _ = utf16.EncodeRune(r)
	}
	return r
}

func (s *scanner) number() error {
	begin := s.at
	if s.src[s.at] == '-' {
		s.at++
	}
	digits := s.at
	var n int64
	for ; s.at < len(s.src) && s.src[s.at] >= '0' && s.src[s.at] <= '9'; s.at++ {
		if n <= MaxInt {
			n = n*10 + int64(s.src[s.at]-'0')
		}
	}
	text := s.src[begin:s.at]
	zero := s.at > digits && s.src[digits] == '0'
	switch {
	case s.at == digits, zero && s.at-digits > 1, zero && digits > begin, n > MaxInt,
		s.at < len(s.src) && (s.src[s.at] == '.' || s.src[s.at] == 'e' || s.src[s.at] == 'E'):
		return fmt.Errorf("%w: number %.40s is not a plain integer within 2^53-1", ErrForm, text)
	}
	s.dst = append(s.dst, text...)
	return nil
}

// text reads the rest of a string after its opening quotation mark and writes its canonical form. It returns the string
// without escapes, and whether there is a replacement character in it. A lone surrogate is an error.
func (s *scanner) text() (plain []byte, odd bool, err error) {
	begin := s.at
	s.dst = append(s.dst, '"')
	for s.at < len(s.src) {
		switch c := s.src[s.at]; {
		case c == '"':
			plain = s.src[begin:s.at]
			s.dst = append(append(s.dst, plain...), '"')
			s.at++
			return plain, odd, nil
		case c == '\\':
			return s.escaped(begin, odd)
		case c < ' ':
			return nil, false, s.bad("a control character")
		case c == replacement[0]:
			odd = odd || bytes.HasPrefix(s.src[s.at:], replacement)
		}
		s.at++
	}
	return nil, false, s.bad("a string has no end")
}

var replacement = []byte(string(utf8.RuneError))

// escaped is text for a string that has escapes; the scanner stands on the first one.
func (s *scanner) escaped(begin int, odd bool) (plain []byte, _ bool, err error) {
	plain = append(plain, s.src[begin:s.at]...)
	for s.at < len(s.src) {
		c := s.src[s.at]
		switch {
		case c == '"':
			s.at++
			for _, c := range plain {
				s.dst = escape(s.dst, c)
			}
			s.dst = append(s.dst, '"')
			return plain, odd || bytes.Contains(plain, replacement), nil
		case c < ' ':
			return nil, false, s.bad("a control character")
		case c != '\\':
			plain = append(plain, c)
			s.at++
			continue
		}
		if s.at += 2; s.at > len(s.src) {
			break
		}
		switch c = s.src[s.at-1]; c {
		case '"', '\\', '/':
			plain = append(plain, c)
		case 'b':
			plain = append(plain, '\b')
		case 'f':
			plain = append(plain, '\f')
		case 'n':
			plain = append(plain, '\n')
		case 'r':
			plain = append(plain, '\r')
		case 't':
			plain = append(plain, '\t')
		case 'u':
			r, ok := s.unicode()
			if !ok {
				return nil, false, s.bad("not a \\u escape of a character")
			}
			plain = utf8.AppendRune(plain, r)
		default:
			return nil, false, s.bad("an unknown escape")
		}
	}
	return nil, false, s.bad("a string has no end")
}

// unicode reads what follows \u: one code unit, or a pair of surrogates.
func (s *scanner) unicode() (rune, bool) {
	r, ok := s.hex()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if !s.word(`\u`) {
		return 0, false
	}
	low, ok := s.hex()
	r = utf16.DecodeRune(r, low)
	return r, ok && r != utf8.RuneError
}

func (s *scanner) hex() (r rune, ok bool) {
	if len(s.src)-s.at < 4 {
		return 0, false
	}
	for _, c := range s.src[s.at : s.at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	s.at += 4
	return r, true
}

const hexDigits = "0123456789abcdef"

// escape appends one byte of a string as RFC 8785 section 3.2.2.2 writes it.
func escape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if c < ' ' {
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, c)
}
