package verify

import (
	"bytes"
	"fmt"
	"io"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// An EvidenceReport is what the verification of one reading found.
type EvidenceReport struct {
	V        int             `json:"v"`
	Evidence writ.EvidenceID `json:"evidence"`
	Size     int             `json:"size"`             // bytes that were checked
	Index    int64           `json:"index"`            // of the entry that commits to them; -1 for none
	Content  Claim           `json:"content"`          // are these the bytes that were committed to
	Recorded Claim           `json:"recorded"`         // does a ledger that nobody altered commit to them
	Not      []string        `json:"not_checked"`      // what this cannot show
	Origin   string          `json:"origin,omitempty"` // of the log
	LogSize  int64           `json:"log_size,omitempty"`
}

// Verdict is the worse of the two.
func (r EvidenceReport) Verdict() Verdict {
	switch {
	case r.Content.Verdict == Violated || r.Recorded.Verdict == Violated:
		return Violated
	case r.Content.Verdict == OK && r.Recorded.Verdict == OK:
		return OK
	}
	return CannotTell
}

// Evidence recomputes the commitment of a reading from its bytes and salt. With a bundle it also demands that an entry of
// the bundle, judged as Bundle does, is about this reading and commits to it; without one (nil) that cannot be told. The
// error is not nil only when trust or a pin is unusable or the bundle cannot be read.
func Evidence(content writ.EvidenceContent, bundle io.Reader, trust Trust, pins ...[]byte) (EvidenceReport, error) {
	r := EvidenceReport{
		V: writ.FormatVersion, Evidence: content.Evidence.ID, Size: len(content.Bytes), Index: none, Content: Claim{Verdict: OK}, Recorded: Claim{Verdict: CannotTell},
		Not: []string{"whether the target told the runner the truth"},
	}
	if !content.Opens(content.Evidence.Commitment) {
		r.Content = Claim{Violated, []string{fmt.Sprintf("bytes and salt do not make the commitment %s: something of them was changed", content.Evidence.Commitment)}}
	}
	if bundle == nil {
		r.Recorded.Because = []string{"no bundle was given: the file alone says what it commits to"}
		return r, nil
	}
	raw, err := io.ReadAll(io.LimitReader(bundle, ledger.MaxBundle+1))
	if err != nil {
		return r, fmt.Errorf("%w: bundle: %w", writ.ErrUnavailable, err)
	}
	whole, err := Bundle(bytes.NewReader(raw), trust, pins...)
	if err != nil {
		return r, err
	}
	r.Origin, r.LogSize = whole.Origin, whole.Size
	b, err := ledger.ParseBundle(raw)
	if err != nil {
		b = ledger.Bundle{} // whole says so
	}
	r.Recorded = recorded(&r, content, b, whole)
	return r, nil
}

// recorded looks for the entry about a reading.
func recorded(r *EvidenceReport, content writ.EvidenceContent, b ledger.Bundle, whole Report) Claim {
	if whole.Altered.Verdict != OK {
		return Claim{whole.Altered.Verdict, append([]string{"the bundle itself is not sound"}, whole.Altered.Because...)}
	}
	for _, x := range b.Entries {
		e, err := ledger.Open(x.Leaf)
		if err != nil {
			continue // whole is sound: this cannot be
		}
		var id writ.EvidenceID
		var commitment writ.Commitment
		said := true // the entry agrees with what the file says about the reading
		switch body := e.Body.(type) {
		case *writ.EvidenceBody:
			id, commitment = body.Evidence, body.Commitment
			ev := content.Evidence
			said = body.Reader == ev.Query.Reader && body.Target == ev.Query.Target && body.Runner == ev.Reader && body.At.Equal(ev.At) && body.AskedBy.Same(ev.AskedBy) && body.Size == len(content.Bytes) && e.Record.Task == ev.Incident
		case *writ.UpstreamReadBody:
			id, commitment = body.Evidence, body.Commitment
			said = body.At.Equal(content.Evidence.At) && body.AskedBy.Same(content.Evidence.AskedBy) && e.Record.Task == content.Evidence.Incident
		default:
			continue
		}
		if id != content.Evidence.ID {
			continue
		}
		r.Index = x.Index
		for _, f := range whole.Findings {
			if f.Index == x.Index {
				return Claim{Violated, []string{f.Text}}
			}
		}
		switch {
		case !content.Opens(commitment):
			return Claim{Violated, []string{fmt.Sprintf("entry %d commits to other bytes: %s", x.Index, commitment)}}
		case !said:
			return Claim{Violated, []string{fmt.Sprintf("entry %d says another reader, target, time, size or asker than the file", x.Index)}}
		}
		return Claim{Verdict: OK}
	}
	return Claim{Violated, []string{fmt.Sprintf("no entry of the bundle is about %s", content.Evidence.ID)}}
}

// Text is the report for people.
func (r EvidenceReport) Text() string {
	var b bytes.Buffer
	line := func(what string, c Claim, well string) {
		sign, text := "✔", well
		switch c.Verdict {
		case Violated:
			sign = "✘"
		case CannotTell:
			sign = "?"
		}
		if len(c.Because) > 0 {
			text = printf("%s", c.Because[0])
		}
		fmt.Fprintf(&b, "  %s %-10s %s\n", sign, what, text)
	}
	fmt.Fprintf(&b, "%s, %d bytes\n", writ.Printable(string(r.Evidence), 40), r.Size)
	line("content", r.Content, "the salted digest of these bytes is what was committed to")
	line("recorded", r.Recorded, fmt.Sprintf("entry %d of %s commits to them; nothing of the bundle was altered", r.Index, writ.Printable(r.Origin, 80)))
	for _, n := range r.Not {
		fmt.Fprintf(&b, "  not checked: %s\n", n)
	}
	switch r.Verdict() {
	case OK:
		fmt.Fprintf(&b, "VERIFIED  under the checkpoint of %d entries\n", r.LogSize)
	case Violated:
		b.WriteString("NOT VERIFIED\n")
	default:
		b.WriteString("CANNOT TELL\n")
	}
	return b.String()
}
