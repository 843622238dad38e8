package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Drawings are inline SVG made of numbers alone; what they show also stands beside them in words.

const (
	maxSquares = 40 // units that are drawn one by one; more are drawn to scale
	squareStep = 12
)

// drawUnits shows the running units of a workload: those that stay, those that the step may take away at once, those that
// are missing already, and the floor.
func drawUnits(u writ.Units) template.HTML {
	total := max(u.Wanted, u.Ready, 1)
	scale := 1
	if total > maxSquares {
		scale = (total + maxSquares - 1) / maxSquares
	}
	squares := (total + scale - 1) / scale
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="units" viewBox="0 0 %d 20" width="%d" height="20" role="img" aria-label="%d of %d ready; %d may go at once; %d must stay">`,
		squares*squareStep+2, squares*squareStep+2, u.Ready, u.Wanted, u.Down, u.Floor)
	for i := range squares {
		class := "stay"
		switch n := i * scale; {
		case n >= u.Ready:
			class = "gone"
		case n >= u.Ready-u.Down:
			class = "down"
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="4" width="10" height="12" rx="2"/>`, class, i*squareStep+1)
	}
	if u.Floor > 0 && u.Floor <= total {
		fmt.Fprintf(&b, `<path class="floor" d="M%d 0v20"/>`, u.Floor*squareStep/scale)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// A bar is one row of a run's time line.
type bar struct {
	Label    string
	Class    string // good, wait, bad or dim
	From, To time.Time
	Open     bool // it has not ended
}

// Takes says how long it took.
func (b bar) Takes() string {
	d := b.To.Sub(b.From)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d/time.Minute), int(d%time.Minute/time.Second))
}

// drawBar shows where a row lies between the beginning and the end of the whole.
func drawBar(b bar, from, to time.Time) template.HTML {
	whole := max(to.Sub(from), time.Millisecond)
	x := min(max(int(1000*b.From.Sub(from)/whole), 0), 992)
	width := min(max(int(1000*b.To.Sub(b.From)/whole), 8), 1000-x)
	return template.HTML(fmt.Sprintf(`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="1000" height="10"/><rect class="%s" x="%d" width="%d" height="10"/></svg>`, b.Class, x, width))
}

// drawShare shows a share of a service's capacity in permille, against its limit.
func drawShare(permille, limit int) template.HTML {
	p, l := min(max(permille, 0), 1000), min(max(limit, 0), 1000)
	return template.HTML(fmt.Sprintf(`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="%d of 1000 parts, the limit is %d"><rect class="track" width="1000" height="10"/><rect class="wait" width="%d" height="10"/><rect class="limit" x="%d" width="4" height="10"/></svg>`, p, l, p, min(l, 996)))
}
