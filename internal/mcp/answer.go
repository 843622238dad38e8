package mcp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// text is an answer of lines, cut in the middle when it is too long: the first line, the state, and the last, the next
// step, always stay.
func text(lines ...string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fit(lines)}}}
}

func fit(lines []string) string {
	all := strings.Join(lines, "\n")
	if len(all) <= MaxAnswer || len(lines) < 2 {
		return cut(all, MaxAnswer)
	}
	first, last := cut(lines[0], 400), cut(lines[len(lines)-1], maxNext)
	room := MaxAnswer - len(first) - len(last) - len(isCut) - 1
	return first + "\n" + cut(strings.Join(lines[1:len(lines)-1], "\n"), room) + isCut + last
}

// isCut stands where an answer was cut, and maxNext bounds its next step in bytes: a call with every argument.
const (
	isCut   = "\n… cut …\n"
	maxNext = 600
)

// cut returns as much of s as fits into limit bytes without breaking a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// maxRow bounds one row of a listing in bytes, so that no row keeps the others out.
const maxRow = 360

// fitting are as many whole rows as fit into room bytes.
func fitting(rows []string, room int) (out []string) {
	for _, row := range rows {
		row = cut(row, maxRow)
		if room -= len(row) + 1; room < 0 {
			break
		}
		out = append(out, row)
	}
	return out
}

// listing is an answer of as many whole rows as fit, beginning with the one that has the number from; 0 is the first. When there are others,
// the next step is more, the beginning of a call that their number ends; else it is then.
func listing(what string, rows []string, from int, more, then string) (*mcp.CallToolResult, error) {
	from, err := numbered(from, len(rows))
	if err != nil {
		return nil, err
	}
	some := fitting(rows[from-1:], MaxAnswer-len(more)-len(then)-100) // for the first line and for numbers
	upTo := from - 1 + len(some)
	first := fmt.Sprintf("%d %s", len(rows), what)
	if len(some) < len(rows) {
		first = fmt.Sprintf("%s %d to %d of %d", what, from, upTo, len(rows))
	}
	next := 0
	if upTo < len(rows) {
		next = upTo + 1
	}
	return text(slices.Concat([]string{first}, some, []string{goesOn(more, next, "the others", then)})...), nil
}

// pauseSeconds is when to ask again what cannot be answered now and does not say when it can.
const pauseSeconds = 5

// refused turns an error into an answer that the model can act on. Errors that are no refusals tell nothing about the
// inside.
func (d door) refused(err error) *mcp.CallToolResult {
	r, ok := errors.AsType[*writ.Refusal](err)
	switch {
	case ok:
	case errors.Is(err, writ.ErrInvalid):
		r = &writ.Refusal{Code: writ.ReasonForm, Detail: err.Error(), Kind: writ.ErrInvalid}
	default:
		d.Log.Error("a tool call failed", "error", err)
		r = &writ.Refusal{Code: writ.ReasonUnavailable, Detail: "Writ could not answer; nothing was changed.", Hint: "try again after that pause.", Kind: writ.ErrUnavailable}
	}
	known := map[string]any{"state": "denied", "reason": r.Code}
	lines := []string{"DENIED " + string(r.Code)}
	after := r.AfterSeconds()
	if errors.Is(r, writ.ErrUnavailable) || errors.Is(r, writ.ErrBusy) {
		lines[0], known["state"], after = "NOT NOW "+string(r.Code), "not_now", cmp.Or(after, pauseSeconds)
	}
	if r.Detail != "" {
		lines = append(lines, line(r.Detail, 500))
	}
	if after > 0 {
		lines = append(lines, fmt.Sprintf("Ask again in %d seconds, not before.", after))
		known["retry_after_seconds"] = after
	}
	next := line(r.Hint, maxNext/2)
	if next == "" {
		next = cmp.Or(r.Code.Nearest(), "correct the call, or choose another step") + "."
		if after == 0 {
			next += " Repeating the call unchanged gives the same answer."
		}
	}
	out := text(append(lines, "Next: "+next)...)
	out.IsError, out.StructuredContent = true, known
	return out
}

// shown makes text from elsewhere safe to read, keeping line breaks, in at most limit bytes.
func shown(s string, limit int) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = writ.Printable(lines[i], limit)
	}
	return cut(strings.Join(lines, "\n"), limit)
}

// line is shown for a title or a sentence: a line break in it begins no line of the answer.
func line(s string, limit int) string {
	return strings.ReplaceAll(shown(s, limit), "\n", " ")
}

// planAnswer tells what became of a plan.
func (d door) planAnswer(p writ.PlanStatus) *mcp.CallToolResult {
	get := fmt.Sprintf(`Next: get_plan(plan_id="%s", wait_seconds=20).`, p.ID)
	title := p.Title
	if title == "" {
		title = p.Playbook.Name + " on " + p.Service
	}
	title = line(title, 300)
	var lines []string
	switch p.State {
	case writ.PlanPlanning:
		lines = []string{"PLANNING " + string(p.ID), "A runner is working out the exact calls from live state. Nothing has been changed.", get}
	case writ.PlanWaiting:
		lines = []string{
			fmt.Sprintf("WAITING_FOR_APPROVAL %s (expires %s)", p.ID, p.ExpiresAt.Format("15:04Z")),
			fmt.Sprintf("%s. Needs %s.", title, needs(p.Needs)),
			"A person decides outside this conversation; you cannot approve." + d.page(p.ID),
			get + " Do not propose the same plan again.",
		}
	case writ.PlanReady: // proposed through another door, by an agent that holds its grant
		lines = []string{
			fmt.Sprintf("READY %s (expires %s)", p.ID, p.ExpiresAt.Format("15:04Z")), title + ".",
			"Next: your runtime fetches its grant with its own key, and presents it; not you, and not with these tools.",
		}
	case writ.PlanGranted:
		lines = []string{
			fmt.Sprintf("RUNNING %s as %s", p.ID, p.Run), title + ".",
			fmt.Sprintf(`Next: get_run(run_id="%s", wait_seconds=20).`, p.Run),
		}
	case writ.PlanObserved:
		lines = []string{
			fmt.Sprintf("OBSERVED_ONLY %s: nothing was run", p.ID), title + ".", line(p.Detail, 500),
			"This playbook is in observe mode: Writ decides and records what you ask for, and carries out nothing.",
			"Next: tell a person what should be done. Proposing it again changes nothing.",
		}
	case writ.PlanDone:
		lines = []string{fmt.Sprintf("RUN_ENDED %s", p.ID), title + ".", fmt.Sprintf(`Next: get_run(run_id="%s") tells the verified outcome.`, p.Run)}
	default:
		lines = []string{fmt.Sprintf("%s %s: %s", strings.ToUpper(string(p.State)), p.ID, p.Reason)}
		if p.Reason == writ.ReasonDryRun {
			lines = []string{"DRY_RUN " + string(p.ID), title + "."}
		}
		if p.Detail != "" {
			lines = append(lines, line(p.Detail, 500))
		}
		if p.RetryAt != nil {
			lines = append(lines, "The same may be asked for again from "+p.RetryAt.UTC().Format("15:04:05Z")+" on, not before.")
		}
		next := "Next: nothing was changed. Read fresh evidence before you propose anything else."
		switch {
		case p.Reason == writ.ReasonWithdrawn:
			next = "Next: nothing; it was taken back and nothing was changed. Propose it again only if it is needed after all."
		case p.Hint != "":
			next = "Next: " + line(p.Hint, 300)
		}
		lines = append(lines, next)
	}
	lines = withAsked(p, lines)
	out := text(lines...)
	known := map[string]any{"plan": p.ID, "state": p.State}
	if p.Reason != "" {
		known["reason"] = p.Reason
	}
	if p.Run != "" {
		known["run"] = p.Run
	}
	if p.RetryAt != nil {
		known["retry_at"] = p.RetryAt.UTC().Format(time.RFC3339)
	}
	out.StructuredContent = known
	return out
}

func (d door) page(id writ.PlanID) string {
	if d.PageURL == "" {
		return ""
	}
	return " Page: " + d.PageURL + "/plans/" + string(id)
}

func needs(r writ.Requirements) string {
	var out []string
	for _, g := range []string{"owner", "oncall"} {
		if n := r.Approvals[g]; n > 0 {
			out = append(out, fmt.Sprintf("%d approval(s) by %s", n, g))
		}
	}
	if len(out) == 0 {
		return "a person"
	}
	return strings.Join(out, " and ")
}

// alive is how many of a run's credentials are not proven dead.
func alive(r writ.RunStatus) (n int) {
	for _, l := range r.Leases {
		if !l.Dead() {
			n++
		}
	}
	return n
}

// runAnswer tells how far a run is.
func runAnswer(r writ.RunStatus) *mcp.CallToolResult {
	alive := alive(r)
	state := strings.ToUpper(string(r.State))
	if r.Reason != "" {
		state += " (" + string(r.Reason) + ")"
	}
	lines := []string{state + " " + string(r.ID), line(r.Title, 300)}
	for _, e := range r.Events[max(0, len(r.Events)-8):] {
		lines = append(lines, e.Time.Format("15:04:05Z ")+line(e.Summary, 160))
	}
	next := fmt.Sprintf(`Next: get_run(run_id="%s", wait_seconds=20).`, r.ID)
	switch {
	case r.State == writ.RunSucceeded:
		next = "Next: nothing; Writ verified the repair itself."
	case r.State == writ.RunUncertain:
		next = "Next: nothing. A person has to look at the target; do not propose repairs of the same object."
	case r.State.Final():
		next = "Next: read fresh evidence; this repair did not hold."
	}
	if r.State.Final() && alive > 0 {
		next += fmt.Sprintf(" %d credential(s) of the run are being proven dead.", alive)
	}
	out := text(append(lines, next)...)
	known := map[string]any{"run": r.ID, "plan": r.Plan, "state": r.State, "leases_alive": alive}
	if r.Reason != "" {
		known["reason"] = r.Reason
	}
	out.StructuredContent = known
	return out
}

func sortedNames[V any](o map[string]V) []string { return slices.Sorted(maps.Keys(o)) }
