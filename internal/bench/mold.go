package bench

import (
	"bytes"
	"regexp"
	"slices"
)

// A mold is a text of the template run, cut where each copy has something of its own: an id, a time, a digest.
type mold struct {
	parts [][]byte // one more than slots
	slots []int    // which value stands between two parts
}

// tokens are the texts of the template that copies replace, each with its number.
type tokens struct {
	numbers map[string]int
	all     []string
}

// add gives a text a number, once.
func (t *tokens) add(text string) int {
	if n, ok := t.numbers[text]; ok {
		return n
	}
	if t.numbers == nil {
		t.numbers = map[string]int{}
	}
	t.numbers[text] = len(t.all)
	t.all = append(t.all, text)
	return len(t.all) - 1
}

// pattern matches every token. Call it once all are known.
func (t *tokens) pattern() *regexp.Regexp {
	longest := slices.Clone(t.all)
	slices.SortStableFunc(longest, func(a, b string) int { return len(b) - len(a) })
	var b bytes.Buffer
	for i, text := range longest {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(regexp.QuoteMeta(text))
	}
	return regexp.MustCompile(b.String())
}

// cut makes the mold of a text.
func (t *tokens) cut(pattern *regexp.Regexp, text []byte) mold {
	var m mold
	at := 0
	for _, found := range pattern.FindAllIndex(text, -1) {
		m.parts = append(m.parts, text[at:found[0]])
		m.slots = append(m.slots, t.numbers[string(text[found[0]:found[1]])])
		at = found[1]
	}
	m.parts = append(m.parts, text[at:])
	return m
}

// fill appends the text of one copy.
func (m mold) fill(to []byte, values []string) []byte {
	for i, slot := range m.slots {
		to = append(append(to, m.parts[i]...), values[slot]...)
	}
	return append(to, m.parts[len(m.slots)]...)
}

// text is fill as a string.
func (m mold) text(values []string) string {
	if len(m.slots) == 0 {
		return string(m.parts[0])
	}
	return string(m.fill(nil, values))
}
