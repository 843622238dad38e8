package web

import (
	"slices"

	"github.com/writ-dev/writ"
)

// A comparison of two readings of the same: what each says that the other does not.
type compared struct {
	Was   writ.Evidence
	Facts []writ.Change // that differ
	Lines []sided       // that differ, in their order, with what stands between them left out
	Other bool          // they are not of the same query
}

// A sided line stands in one of the two readings only.
type sided struct {
	New    bool
	Pieces []piece
}

// compare takes the lines that a page shows of each.
func compare(was writ.Evidence, before raw, is writ.Evidence, after raw) *compared {
	c := &compared{Was: was, Other: was.Query.Reader != is.Query.Reader || was.Query.Target != is.Query.Target || parameters(was.Query.With) != parameters(is.Query.With)}
	all := map[string]bool{}
	for k := range was.Facts {
		all[k] = true
	}
	for k := range is.Facts {
		all[k] = true
	}
	for _, k := range sortedKeys(all) {
		a, b := factText(was.Facts, k), factText(is.Facts, k)
		if a != b {
			c.Facts = append(c.Facts, writ.Change{Path: k, Before: a, After: b})
		}
	}
	c.Lines = differing(before.Lines, after.Lines)
	return c
}

func factText(o writ.Observation, name string) string {
	if v, ok := o[name]; ok {
		return v.String()
	}
	return ""
}

// differing lists the lines outside a longest common subsequence; the cost is the product of two bounded pages.
func differing(a, b [][]piece) (out []sided) {
	same := make([][]int, len(a)+1) // of the rest of a and b
	for i := range same {
		same[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if slices.Equal(a[i], b[j]) {
				same[i][j] = same[i+1][j+1] + 1
			} else {
				same[i][j] = max(same[i+1][j], same[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && slices.Equal(a[i], b[j]):
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && same[i+1][j] >= same[i][j+1]:
			out = append(out, sided{false, a[i]})
			i++
		default:
			out = append(out, sided{true, b[j]})
			j++
		}
	}
	return out
}
