package cedarx

import (
	"strings"

	"github.com/cedar-policy/cedar-go/types"
)

// A shape is a statement's text without annotations, with every number and every id of an open entity type replaced by one of
// its kind. The validator judges types and nothing else, so that statements of one shape are valid or not together; ids of
// actions and of enumerated types are kept, since those must be declared.
func (s *Schema) shape(p *Policy) string {
	text := p.Text()
	if i := strings.Index(text, "\npermit"); i >= 0 && !p.Forbid {
		text = text[i+1:]
	} else if i := strings.Index(text, "\nforbid"); i >= 0 && p.Forbid {
		text = text[i+1:]
	}
	var w strings.Builder
	w.Grow(len(text))
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			end := i + 1
			for ; end < len(text) && text[end] != '"'; end++ {
				if text[end] == '\\' {
					end++
				}
			}
			end = min(end+1, len(text))
			if s.open(text[:i]) {
				w.WriteString(`""`)
			} else {
				w.WriteString(text[i:end])
			}
			i = end
		case isDigit(c) && (i == 0 || !isWord(text[i-1])):
			for i < len(text) && isDigit(text[i]) {
				i++
			}
			w.WriteByte('0')
		default:
			w.WriteByte(c)
			i++
		}
	}
	return w.String()
}

// open reports whether before ends in the name of an entity type whose ids nobody declares, and its colons.
func (s *Schema) open(before string) bool {
	name, ok := strings.CutSuffix(before, "::")
	if !ok {
		return false
	}
	i := len(name)
	for i > 0 && (isWord(name[i-1]) || name[i-1] == ':') {
		i--
	}
	_, declared := s.resolved.Entities[types.EntityType(name[i:])]
	return declared
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// maxShapes bounds what a schema remembers; a set has a few dozen.
const maxShapes = 4096

// known reports whether a statement of this shape was found valid.
func (s *Schema) known(shape string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shapes[shape]
}

func (s *Schema) remember(shape string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shapes == nil {
		s.shapes = map[string]bool{}
	}
	if len(s.shapes) < maxShapes {
		s.shapes[shape] = true
	}
}
