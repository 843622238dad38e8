package mcp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// Who gets an incident passed on learns over the same door what was found: the evidence to look at and to cite, and the giver's words
// as words.
func TestARecipientIsToldWhatWasPassedOnAndTheCallThatUsesIt(t *testing.T) {
	f := &fakeControl{log: "first\nsecond"}
	s := connect(t, serve(t, f), "repair-token")
	if got, _ := call(t, s, "list_incidents", nil); !strings.Contains(got, `Next: get_hand_off(hand_off_id="…")`) {
		t.Errorf("%s", got)
	}
	hand := map[string]any{"hand_off_id": "hnd_" + ulid}
	got, r := call(t, s, "get_hand_off", hand)
	if r.IsError || f.by != repair || !strings.HasPrefix(got, "HAND_OFF_OPEN hnd_"+ulid+" for inc_"+ulid+", from diagnose to repair\nUnder it rollback-deployment may be asked for, up to T1, until ") ||
		!strings.Contains(got, "\nEvidence, 15 of 50: "+string(handedEvidence(0))+",ev_") || !strings.Contains(got, "Nobody has verified it") || !strings.Contains(got, "\n| errors began with v42\nNext: get_hand_off(hand_off_id=\"hnd_"+ulid+"\", from=16) for the rest, or get_evidence(") ||
		!strings.HasSuffix(got, `then propose_plan(incident="inc_`+ulid+`", playbook="…", evidence_ids="…", hand_off_id="hnd_`+ulid+`").`) {
		t.Errorf("by %v:\n%s", f.by, got)
	}
	evidence := map[string]any{"evidence_id": "ev_" + ulid}
	got, r = call(t, s, "get_evidence", evidence)
	if r.IsError || !strings.HasPrefix(got, "EVIDENCE ev_"+ulid+" read at ") || !strings.Contains(got, "\nkubernetes/pod.logs of kubernetes://prod-eu1\nfact ready = 3\n") || !strings.Contains(got, "\n| first\n| second\nNext: ") {
		t.Errorf("%s", got)
	}
	f.log = ""
	if got, r = call(t, s, "get_evidence", map[string]any{"evidence_id": "ev_" + ulid, "from": 2}); !r.IsError || !strings.Contains(got, "from must be 1 to 1") {
		t.Errorf("from 2 of nothing: %s", got)
	}
	f.erased = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	if got, _ = call(t, s, "get_evidence", evidence); !strings.Contains(got, "erased") || strings.Contains(got, "| ") {
		t.Errorf("erased: %s", got)
	}
	f.giver = true
	if got, _ = call(t, s, "get_hand_off", hand); !strings.HasSuffix(got, "for the rest, or nothing for you. The other agent asks as itself.") {
		t.Errorf("the giver is told: %s", got)
	}
	f.passed = writ.HandOffRevoked
	if got, _ = call(t, s, "get_hand_off", hand); !strings.HasPrefix(got, "HAND_OFF_REVOKED ") || strings.Contains(got, "propose_plan(") {
		t.Errorf("revoked: %s", got)
	}
	f.refuse = &writ.Refusal{Code: writ.ReasonUnknownHandOff, Detail: "there is none to you", Kind: writ.ErrNotFound}
	if got, r = call(t, s, "get_hand_off", hand); !r.IsError || strings.Contains(got, "ev_") || strings.Contains(got, "v42") {
		t.Errorf("refused: %s", got)
	}
	for tool, field := range map[string]string{"get_hand_off": "hand_off_id", "get_evidence": "evidence_id"} {
		if got, r := call(t, s, tool, map[string]any{field: "hunter2"}); !r.IsError || !strings.Contains(got, field+" must be an id") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", tool, got)
		}
	}
}

// goesOn is the number from which an answer says that the tool goes on; 0 when it says nothing of it.
func goesOn(t *testing.T, tool, id, answer string) (from int) {
	t.Helper()
	next := answer[strings.LastIndex(answer, "\nNext: ")+len("\nNext: "):]
	if begin := fmt.Sprintf(`%s(%s, from=`, tool, id); strings.HasPrefix(next, begin) {
		if _, err := fmt.Sscanf(next[len(begin):], "%d) for the rest, or ", &from); err != nil {
			t.Fatalf("%v: %s", err, next)
		}
	}
	return from
}

// quoted are the lines of an answer that are text of others, without what they begin with.
func quoted(answer string) string {
	var rows []string
	for l := range strings.SplitSeq(answer, "\n") {
		if row, is := strings.CutPrefix(l, "| "); is {
			rows = append(rows, row)
		}
	}
	return strings.Join(rows, "\n")
}

// printed is how a text of others stands in answers as a whole.
func printed(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = writ.Printable(lines[i], len(s)+1)
	}
	return strings.Join(lines, "\n")
}

// A reading that is longer than an answer is shown in whole by several, each of which says which of how many bytes it has and the call
// that goes on. No character is lost, doubled or cut, whatever the text is of, and each answer warns of what others can have written.
func TestALongReadingIsShownInWholeOverSeveralAnswers(t *testing.T) {
	many := writ.Observation{}
	for i := range 40 {
		many[fmt.Sprintf("fact_%02d", i)] = writ.String(strings.Repeat("é", 100))
	}
	for name, x := range map[string]struct {
		text  string
		facts writ.Observation
	}{
		"lines":                    {strings.Repeat("a line of a log, as they are\n", 300), nil},
		"one line":                 {strings.Repeat("x", 10_000), nil},
		"breaks alone":             {strings.Repeat("\n", 3000), nil},
		"of four bytes each":       {strings.Repeat("😀", 2000), nil},
		"of three, not at the cut": {"a" + strings.Repeat("€", 2000), nil},
		"made to look like Writ":   {hostile, nil},
		"no text at all":           {strings.Repeat("\xff\x80\xe2\x28\r\r\n", 400), nil},
		"beside many facts":        {strings.Repeat("é\n", 2000), many},
		"the longest that is kept": {strings.Repeat("0123456789abcde\n", 4096), nil},
	} {
		f := &fakeControl{log: x.text, facts: x.facts, cut: true}
		s := connect(t, serve(t, f), "repair-token")
		args := map[string]any{"evidence_id": "ev_" + ulid}
		var whole strings.Builder
		last, answers := 0, 0
		for from := 1; from > 0; answers++ {
			got, r := call(t, s, "get_evidence", args)
			if r.IsError || len(got) > 2000 || strings.Contains(got, "… cut …") || answers > len(x.text)/300+1 {
				t.Fatalf("%s, from %d: %d bytes after %d answers\n%s", name, from, len(got), answers, got)
			}
			if !strings.Contains(got, "\nParts of this text can be written by anybody") || !strings.HasPrefix(got, "EVIDENCE ev_"+ulid) {
				t.Errorf("%s, from %d:\n%s", name, from, got)
			}
			next := goesOn(t, "get_evidence", `evidence_id="ev_`+ulid+`"`, got)
			end := next - 1
			if next == 0 {
				end = len(x.text)
			}
			if says := fmt.Sprintf("is what was read: bytes %d to %d of %d.\n", from, end, len(x.text)); !strings.Contains(got, says) {
				t.Errorf("%s, from %d: it does not say %q:\n%s", name, from, says, got)
			}
			if strings.Contains(got, "\nThere was more to read than is kept. Ask more narrowly.\n") != (next == 0) || next > 0 && next <= last {
				t.Fatalf("%s, from %d, next %d:\n%s", name, from, next, got)
			}
			whole.WriteString(quoted(got))
			last, from = from, next
			args["from"] = next
		}
		if want := printed(x.text); whole.String() != want {
			t.Errorf("%s: %d answers show %d bytes, and not the %d that there are", name, answers, whole.Len(), len(want))
		}
		for _, from := range []int{-1, len(x.text) + 1} {
			args["from"] = from
			if got, r := call(t, s, "get_evidence", args); !r.IsError || !strings.HasPrefix(got, "DENIED form\n") || !strings.Contains(got, fmt.Sprintf("from must be 1 to %d", len(x.text))) {
				t.Errorf("%s, from %d: %s", name, from, got)
			}
		}
	}
	// What a reading that was made just now does not hold is got in the same way.
	f := &fakeControl{log: strings.Repeat("x", 5000)}
	got, _ := call(t, connect(t, serve(t, f), "repair-token"), "read_evidence", map[string]any{"incident": open, "kind": "kubernetes/pod.logs"})
	if goesOn(t, "get_evidence", `evidence_id="ev_`+ulid+`"`, got) == 0 {
		t.Errorf("read_evidence:\n%s", got)
	}
}

// All that was handed over is told: each id of evidence once, and each word of what the giver thinks, also when the hand-off ends meanwhile.
func TestALongHandOffIsToldInWholeOverSeveralAnswers(t *testing.T) {
	for name, x := range map[string]struct {
		evidence int
		words    string
	}{
		"ids alone": {50, ""}, "one more than the first answer holds": {16, ""}, "none": {-1, ""}, "words alone": {-1, hostile}, "both": {50, hostile}, "as many as an answer holds": {15, "x"},
	} {
		f := &fakeControl{evidence: x.evidence, words: x.words}
		s := connect(t, serve(t, f), "repair-token")
		args := map[string]any{"hand_off_id": "hnd_" + ulid}
		var ids []string
		var whole strings.Builder
		last, answers := 0, 0
		for from := 1; from > 0; answers++ {
			got, r := call(t, s, "get_hand_off", args)
			if r.IsError || len(got) > 2000 || strings.Contains(got, "… cut …") || answers > 60 || !strings.HasPrefix(got, "HAND_OFF_") {
				t.Fatalf("%s, from %d: %d bytes after %d answers\n%s", name, from, len(got), answers, got)
			}
			for l := range strings.SplitSeq(got, "\n") {
				if list, is := strings.CutPrefix(l, "Evidence, "); is {
					_, list, _ = strings.Cut(list, ": ")
					ids = append(ids, strings.Split(list, ",")...)
				}
			}
			whole.WriteString(quoted(got))
			next := goesOn(t, "get_hand_off", `hand_off_id="hnd_`+ulid+`"`, got)
			if next > 0 && next <= from {
				t.Fatalf("%s, from %d, next %d", name, from, next)
			}
			last, from = from, next
			args["from"] = next
			f.passed = writ.HandOffExpired
		}
		var want []string
		for i := range max(0, x.evidence) {
			want = append(want, string(handedEvidence(i)))
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %d of %d ids are told: %v", name, len(ids), len(want), ids)
		}
		if text := "errors began with v42" + x.words; whole.String() != printed(text) {
			t.Errorf("%s: %d bytes of what the giver thinks, and not the %d that there are", name, whole.Len(), len(printed(text)))
		}
		for _, from := range []int{-1, last + 60} {
			args["from"] = from
			if got, r := call(t, s, "get_hand_off", args); !r.IsError || !strings.HasPrefix(got, "DENIED form\n") || !strings.Contains(got, "from must be 1 to ") {
				t.Errorf("%s, from %d: %s", name, from, got)
			}
		}
	}
}
