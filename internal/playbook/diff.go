package playbook

import "strings"

// A DiffLine is one line of two sources compared. Sign is '-' for a line of the first alone, '+' for one of the second alone, and
// ' ' for one of both.
type DiffLine struct {
	Sign byte
	Text string
}

// maxDiffLines bounds the lines of each side that are compared: their product is the cost. A playbook has some hundred.
const maxDiffLines = 1500

// diffContext is how many lines are kept around a change.
const diffContext = 3

// Diff compares two sources line by line, by a longest common subsequence, and keeps the changes with the lines around them; a
// line that is left out between two of them is shown as one of "…". Nothing where both are the same.
func Diff(before, after string) []DiffLine {
	a, b := splitLines(before), splitLines(after)
	same := make([][]int16, len(a)+1) // of the rest of a and b
	for i := range same {
		same[i] = make([]int16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				same[i][j] = same[i+1][j+1] + 1
			} else {
				same[i][j] = max(same[i+1][j], same[i][j+1])
			}
		}
	}
	var all []DiffLine
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, DiffLine{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && same[i+1][j] >= same[i][j+1]:
			all = append(all, DiffLine{'-', a[i]})
			i++
		default:
			all = append(all, DiffLine{'+', b[j]})
			j++
		}
	}
	return around(all)
}

// around keeps the changes and what stands next to them.
func around(all []DiffLine) []DiffLine {
	keep := make([]bool, len(all))
	for i, l := range all {
		if l.Sign == ' ' {
			continue
		}
		for k := max(i-diffContext, 0); k <= min(i+diffContext, len(all)-1); k++ {
			keep[k] = true
		}
	}
	var out []DiffLine
	for i, l := range all {
		switch {
		case keep[i]:
			out = append(out, l)
		case i > 0 && keep[i-1]:
			out = append(out, DiffLine{' ', "…"})
		}
	}
	return out
}

func splitLines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return lines[:min(len(lines), maxDiffLines)]
}
