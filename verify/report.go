package verify

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// A Verdict answers one question. The zero Verdict is none and never means well.
type Verdict string

// The verdicts, from best to worst.
const (
	OK         Verdict = "ok"
	CannotTell Verdict = "cannot_tell"
	Violated   Verdict = "violated"
)

// The questions.
const (
	altered   = iota // was anything changed, forged or reordered
	missing          // is anything left out
	authority        // was everything done by whom it should have been, in the order it should have been
	claims
)

// none is the index of a finding that is about no single entry.
const none = -1

// A Report is what a verification found.
type Report struct {
	V         int         `json:"v"`
	Origin    string      `json:"origin"`
	Size      int64       `json:"size"` // of the checkpoint
	Root      writ.Digest `json:"root,omitzero"`
	LogKey    string      `json:"log_key,omitempty"` // vkey that signed it
	Entries   int         `json:"entries"`           // in the bundle
	Complete  bool        `json:"complete"`          // all entries under the checkpoint are there
	Pins      int         `json:"pins"`
	Altered   Claim       `json:"nothing_altered"`
	Missing   Claim       `json:"nothing_missing"` // within the log
	Authority Claim       `json:"authority"`
	Findings  []Finding   `json:"findings,omitempty"`
	Open      []Finding   `json:"open,omitempty"`         // begun and not ended: intents without an outcome, runs without an end
	Owed      []Finding   `json:"reviews_owed,omitempty"` // of break-glass, where the log ends; a debt, and no fault of the log
	Rotations []Rotation  `json:"rotations,omitempty"`    // of the log's key, as the bundle tells and the roots have signed
	Plans     []Plan      `json:"plans,omitempty"`
	Not       []string    `json:"not_checked"` // what no reading of this bundle can show
}

// A Claim is a verdict with its reasons.
type Claim struct {
	Verdict Verdict  `json:"verdict"`
	Because []string `json:"because,omitempty"`
}

// A Finding is one thing that is wrong.
type Finding struct {
	Index int64    `json:"index"` // of the entry; -1 when it is about no single one
	Code  string   `json:"code"`  // stable
	Text  string   `json:"text"`
	Notes []string `json:"notes,omitempty"` // two checkpoints that contradict each other: proof for others
}

// A Plan is the story of one plan, from the entries in the bundle.
type Plan struct {
	Plan      writ.PlanID      `json:"plan"`
	Digest    writ.Digest      `json:"plan_digest"`
	Playbook  writ.PlaybookRef `json:"playbook"`
	Tier      writ.Tier        `json:"tier"` // in force, once it was decided; until then its own
	Requester writ.Principal   `json:"requester"`
	Decision  string           `json:"decision,omitempty"`  // that the grant rests on: verdict and rules
	Approvers []string         `json:"approvers,omitempty"` // verified, and counted by the grant
	Mode      writ.HolderMode  `json:"mode,omitempty"`      // who held the grant, once there is one
	Run       writ.RunID       `json:"run,omitempty"`
	Steps     []Step           `json:"steps,omitempty"`
	State     writ.RunState    `json:"state,omitempty"` // as the runner ended it
	Receipt   *Receipt         `json:"receipt,omitempty"`
}

// A Receipt is what a runner's signed receipt says of a whole run.
type Receipt struct {
	Index   int64       `json:"index"`
	Outcome writ.Effect `json:"outcome"`
	Agrees  string      `json:"agrees"` // with what was authorised: yes, no or unknown
}

// A Step is one call of a run.
type Step struct {
	Step      string             `json:"step"`
	Operation writ.OperationName `json:"operation"`
	Object    writ.Location      `json:"object"`
	Call      string             `json:"call"`             // method and path
	Effect    string             `json:"effect,omitempty"` // "" when the bundle has none
	Undo      string             `json:"undo,omitempty"`
	Settled   string             `json:"settled,omitempty"`   // of an uncertain run: what a person says it did
	SettledBy writ.Principal     `json:"settled_by,omitzero"` // who
}

// Verdict is the worst of the three.
func (r Report) Verdict() Verdict {
	worst := OK
	for _, c := range []Claim{r.Altered, r.Missing, r.Authority} {
		switch {
		case c.Verdict == Violated:
			return Violated
		case c.Verdict != OK:
			worst = CannotTell
		}
	}
	return worst
}

// find records a violation of one claim.
func (c *check) find(claim int, index int64, code, format string, args ...any) *Finding {
	text := printf(format, args...)
	c.r.Findings = append(c.r.Findings, Finding{Index: index, Code: code, Text: text})
	k := c.r.claim(claim)
	k.Verdict = Violated
	k.Because = append(k.Because, text)
	return &c.r.Findings[len(c.r.Findings)-1]
}

func printf(format string, args ...any) string {
	return writ.Printable(fmt.Sprintf(format, args...), maxText)
}

// maxText bounds a finding: a few sentences, whatever it quotes.
const maxText = 500

// doubt records why a claim cannot be judged.
func (c *check) doubt(claim int, format string, args ...any) {
	c.unsure[claim] = append(c.unsure[claim], printf(format, args...))
}

func (r *Report) claim(i int) *Claim { return [claims]*Claim{&r.Altered, &r.Missing, &r.Authority}[i] }

// report draws the conclusions. A claim is well only when something was checked and nothing stands against it.
func (c *check) report() Report {
	for i := range claims {
		k := c.r.claim(i)
		switch {
		case k.Verdict == Violated:
		case len(c.unsure[i]) > 0 || c.r.Entries == 0:
			k.Verdict, k.Because = CannotTell, c.unsure[i]
		default:
			k.Verdict = OK
		}
	}
	c.r.Plans = c.story.lines()
	c.r.Not = []string{
		"the target's own audit log was not compared: an act that was never recorded does not show here",
		"no witness cosigned this checkpoint: whoever holds the log's key could show others another history; only pins speak against it",
		"times are the authors' own clocks",
	}
	return c.r
}
