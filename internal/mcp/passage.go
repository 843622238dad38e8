package mcp

import (
	"fmt"
	"unicode/utf8"

	"github.com/writ-dev/writ"
)

// before is what each line of a text of others begins with in an answer, so that nothing in it can pass for a line of the answer's own.
const before = "| "

// passage shows as much of a text of others, from a byte on, as fits into room bytes with the breaks of its lines, and says where what is
// shown ends. It begins and ends between two characters. Passages that follow one another show the whole, each character once.
func passage(s string, from, room int) (rows []string, end int) {
	for back := 1; back < utf8.UTFMax && from > 0 && from < len(s) && !utf8.RuneStart(s[from]); back++ {
		from--
	}
	row, left := before, room-len(before)-1
	for end = from; end < len(s); {
		r, n := utf8.DecodeRuneInString(s[end:])
		if r == '\r' && end+1 < len(s) && s[end+1] == '\n' {
			r, n = '\n', 2
		}
		if r == '\n' {
			if left -= len(before) + 1; left < 0 {
				break
			}
			rows, row = append(rows, row), before
		} else {
			c := writ.Printable(s[end:end+n], 1)
			if left -= len(c); left < 0 {
				break
			}
			row += c
		}
		end += n
	}
	return append(rows, row), end
}

// passages are all passages of a text: of first bytes, and then of others.
func passages(s string, first, others int) (all [][]string) {
	rows, end := passage(s, 0, first)
	for all = append(all, rows); end < len(s); all = append(all, rows) {
		rows, end = passage(s, end, others)
	}
	return all
}

// numbered checks from, the number of the first of n, where 0 is the first. Of none it is 1 as well.
func numbered(from, n int) (int, error) {
	if from == 0 {
		from = 1
	}
	if from < 1 || from > max(1, n) {
		return 0, form(fmt.Sprintf("from must be 1 to %d", max(1, n)))
	}
	return from, nil
}

// goesOn is a next step that begins with the call for the rest when there is one: more is its beginning, and from ends it.
func goesOn(more string, from int, rest, then string) string {
	if from == 0 {
		return "Next: " + then
	}
	return fmt.Sprintf("Next: %sfrom=%d) for %s, or %s", more, from, rest, then)
}
