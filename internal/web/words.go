package web

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/writ-dev/writ"
)

// Limits of what is shown of one text that others wrote. A cut text ends in an ellipsis.
const (
	shortText = 120
	longText  = 400
	claimText = 4000 // as long as control takes: an agent's words are read whole or not believed

	maxOdd = 5 // letters that are named: a name with more is odd enough
)

// words are the functions of templates. Whatever text may come from outside goes through short, long or claim.
var words = template.FuncMap{
	"short": func(v any) string { return short(fmt.Sprint(v)) }, "long": func(v any) string { return long(fmt.Sprint(v)) },
	"claim": func(s string) string { return writ.Printable(s, claimText) },
	"odd":   odd, "at": at, "ago": ago, "left": left, "name": principalName, "person": personName, "add": func(a, b int) int { return a + b },
	"number": func(v any) string { return grouped(fmt.Sprint(v)) }, "count": count, "comparison": comparison, "parameters": parameters, "tail": tail, "word": word, "mark": mark,
	"states": func(names ...string) []string { return names }, "dict": dict, "drawUnits": drawUnits, "drawBar": drawBar, "drawShare": drawShare,
	"runner": func(id writ.RunnerID) string { return short(strings.TrimPrefix(string(id), "spiffe://")) },
}

func short[T ~string](s T) string { return writ.Printable(string(s), shortText) }

func long[T ~string](s T) string { return writ.Printable(string(s), longText) }

// odd names the letters of a name that are not plain ASCII: they may look like others (Unicode TR 39). It is empty for a
// plain name.
func odd(s string) string {
	var out []string
	for _, r := range s {
		if r < 0x80 {
			continue
		}
		c := fmt.Sprintf("U+%04X", r)
		if unicode.IsLetter(r) {
			c += " " + string(r)
		}
		if slices.Contains(out, c) {
			continue
		}
		if len(out) == maxOdd {
			return strings.Join(out, ", ") + " …"
		}
		out = append(out, c)
	}
	return strings.Join(out, ", ")
}

// at shows an instant in UTC. The script adds the reader's own time as the element's title.
func at(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	u := t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, u.Format(time.RFC3339), u.Format("2 Jan 15:04:05Z"))) // digits and letters of ours
}

// ago says how long ago t is, coarsely: a page that changed every second could not be read.
func ago(now, t time.Time) string {
	if d := now.Sub(t); d >= 0 {
		return span(d) + " ago"
	}
	return "in " + span(t.Sub(now))
}

// left says how much time is left until t.
func left(now, t time.Time) string {
	if d := t.Sub(now); d > 0 {
		return span(d)
	}
	return "no time"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

// principalName is how a principal is named on a page: kind and subject; the issuer stands beside it where it matters.
func principalName(p writ.Principal) string {
	if !p.Valid() {
		return "nobody"
	}
	sub := p.Sub
	if p.Kind == writ.KindRunner {
		sub = sub[strings.LastIndexByte(sub, '/')+1:]
	}
	return string(p.Kind) + " " + writ.Printable(sub, shortText)
}

func personName(p writ.Person) string { return writ.Printable(p.Sub, shortText) }

// number groups thousands, so that 10000 is not taken for 1000 at night.
func number[T int | int64](n T) string { return grouped(fmt.Sprint(n)) }

func grouped(s string) string {
	if digits, ok := strings.CutPrefix(s, "-"); ok {
		return "-" + grouped(digits)
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return number(n) + " " + noun
}

func comparison(c writ.Comparison) string {
	switch c {
	case writ.Equals:
		return "="
	case writ.NotEquals:
		return "≠"
	case writ.AtLeast:
		return "≥"
	case writ.AtMost:
		return "≤"
	}
	return "unknown comparison " + short(c)
}

func parameters(p writ.Parameters) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		out = append(out, short(k)+"="+p[k].String())
	}
	return strings.Join(out, "  ")
}

// tail is the end of a digest or an id, by which people tell two apart.
func tail(s fmt.Stringer) string {
	t := s.String()
	return t[max(0, len(t)-8):]
}

// dict makes the data of a part from names and values in turn.
func dict(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out
}

// word is a state as people say it.
func word(s any) string { return strings.ReplaceAll(short(fmt.Sprint(s)), "_", " ") }

// mark is the class of a state's colour. The word always stands beside it.
func mark(s any) string {
	switch fmt.Sprint(s) {
	case "done", "succeeded", "active", "allow", "applied", "approve", "resolved", "reviewed", "justified", "in_force":
		return "good"
	case "waiting", "requires", "granted", "running", "planning", "open", "undone", "suspended", "asked", "used":
		return "wait"
	case "uncertain", "failed", "denied", "refused", "rejected", "deny", "stale", "expired", "reject", "removed", "not_justified", "now allowed", "now asks", "asks less": // the last three permit more than before
		return "bad"
	}
	return "dim"
}
