package approval

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// A Vote is one answer that counted.
type Vote struct {
	Person  writ.Person
	Slot    string
	Proof   writ.ProofLevel
	Key     string
	Digest  writ.Digest // of the approval
	Expires time.Time
}

// A Tally is what the counted approvals amount to. The zero Tally is nobody.
type Tally struct {
	ByGroup map[string]int // slot -> distinct people
	People  int
	Proof   writ.ProofLevel // the weakest that counted; empty when nobody did
	Expires time.Time       // the first to expire; zero when nobody counted
	Votes   []Vote          // sorted by digest
}

// Count verifies every approval against the question and counts people: each human once, in the slot they answered
// for. It is strict: an approval that does not count is an error, with the reason, so that a grant can name exactly
// those that were counted. Use Usable first where some may have lost their worth.
func Count(q Question, approvals []writ.Approval) (Tally, error) {
	t := Tally{ByGroup: map[string]int{}}
	seen, nonces := map[int]bool{}, map[string]bool{}
	for _, a := range approvals {
		v, err := q.judge(a)
		if err != nil {
			return Tally{}, err
		}
		if nonces[v.Statement.Nonce] {
			return Tally{}, writ.Refuse(writ.ReasonApprovalReplayed, "one statement stands twice")
		}
		if seen[v.member] {
			return Tally{}, writ.Refuse(writ.ReasonApproverConflict, "one person answered twice")
		}
		seen[v.member], nonces[v.Statement.Nonce] = true, true
		if err := t.add(v, a); err != nil {
			return Tally{}, err
		}
	}
	slices.SortFunc(t.Votes, func(a, b Vote) int { return slices.Compare(a.Digest.Bytes(), b.Digest.Bytes()) })
	return t, nil
}

// Usable returns the approvals that Count will accept, and why each of the others is left out: expired since, given
// by somebody who left the roster, or a second answer of one person, of which the strongest proof is kept. A
// rejection that verifies is kept, so that Count refuses: a no is never left out.
func Usable(q Question, approvals []writ.Approval) (usable []writ.Approval, dropped []error) {
	type kept struct{ at, strength int }
	seen := map[int]kept{}
	for _, a := range approvals {
		v, err := q.judge(a)
		switch before, twice := seen[v.member]; {
		case writ.ReasonOf(err) == writ.ReasonRejected:
			usable = append(usable, a)
		case err != nil:
			dropped = append(dropped, err)
		case !twice:
			seen[v.member] = kept{len(usable), v.Proof.Strength()}
			usable = append(usable, a)
		default:
			if v.Proof.Strength() > before.strength {
				usable[before.at] = a
				seen[v.member] = kept{before.at, v.Proof.Strength()}
			}
			dropped = append(dropped, writ.Refuse(writ.ReasonApproverConflict, "one person answered twice"))
		}
	}
	return usable, dropped
}

func (t *Tally) add(v Verified, a writ.Approval) error {
	d, err := a.Digest()
	if err != nil {
		return err
	}
	s := v.Statement
	t.ByGroup[s.Slot]++
	t.People++
	if t.Proof == "" || v.Proof.Strength() < t.Proof.Strength() {
		t.Proof = v.Proof
	}
	if t.Expires.IsZero() || s.Expires.Before(t.Expires) {
		t.Expires = s.Expires
	}
	t.Votes = append(t.Votes, Vote{Person: v.Person, Slot: s.Slot, Proof: v.Proof, Key: v.Key, Digest: d, Expires: s.Expires})
	return nil
}

// Meets checks a tally against requirements: every group has its number, and no proof that counted is weaker than
// asked for. It refuses with approval_quorum or approval_proof.
func (t Tally) Meets(need writ.Requirements) error {
	for _, g := range sortedKeys(need.Approvals) {
		if n := need.Approvals[g]; t.ByGroup[g] < n {
			return writ.Refuse(writ.ReasonApprovalQuorum, fmt.Sprintf("%d of %d approvals by %s", t.ByGroup[g], n, writ.Printable(g, 40)))
		}
	}
	if need.Proof == "" {
		return nil
	}
	if need.Proof.Strength() == 0 || t.Proof.Strength() < need.Proof.Strength() {
		return writ.Refuse(writ.ReasonApprovalProof, fmt.Sprintf("a proof of level %s is needed", writ.Printable(string(need.Proof), 4)))
	}
	return nil
}

func sortedKeys(m map[string]int) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
