package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/store"
)

// An answerGiven is one person's word for a proposed move that waits for others. It is judged again when theirs comes.
type answerGiven struct {
	Signed writ.Signed
	By     writ.Person
	At     time.Time
	Leaf   writ.Digest
}

func votes(given []answerGiven) (out []writ.AutonomyVote) {
	for _, g := range given {
		out = append(out, writ.AutonomyVote{By: g.By, At: g.At})
	}
	return out
}

// verifyDecision checks a signed decision against the server's own roster, with the passkey that signed it if that is
// active now. It takes the level of proof that the set in force demands of an approval at this tier.
func (c *Control) verifyDecision(tx *store.Tx, signed writ.Signed, from writ.Tier, at time.Time) (approval.Decided, error) {
	roster, err := c.withPasskeys(tx, signed.Passkey)
	if err != nil {
		return approval.Decided{}, err
	}
	return approval.VerifyAutonomy(signed, roster, c.inForce().Bundle.Proof(from), at)
}

// stillGiven are the answers to a proposed move that count today: whose key or passkey is still their person's, who is
// still of the owning team, each person once. One that does not count is forgotten, and its person may decide anew.
func (c *Control) stillGiven(tx *store.Tx, doc bookRow, owner string) (out []answerGiven, err error) {
	var people []writ.Person
	for _, g := range doc.Given {
		v, err := c.verifyDecision(tx, g.Signed, doc.Record.Proposed.From, g.At)
		if writ.ReasonOf(err) == "" && err != nil {
			return nil, err
		}
		if err != nil || !slices.Contains(v.Groups, owner) || slices.Contains(people, v.Person) {
			continue
		}
		people, out = append(people, v.Person), append(out, g)
	}
	return out, nil
}

// mayMove refuses a move that people of these groups may not decide on, or that the record does not carry, and returns who
// owns the service. It looks at no proof.
func (c *Control) mayMove(doc bookRow, fresh bool, groups []string, s writ.AutonomyStatement) (owner string, err error) {
	service, err := c.Services.Find(s.Service)
	if err != nil {
		return "", err
	}
	if fresh {
		return "", &writ.Refusal{Code: writ.ReasonNotEarned, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("playbook %s has no record on %s", s.Playbook, s.Service), Hint: "writ playbook record lists them; tiers.yaml raises a playbook that has none"}
	}
	shown, err := c.showBook(doc)
	if err != nil {
		return "", err
	}
	up := s.To < s.From
	switch {
	case !slices.Contains(groups, service.Owner):
		return "", writ.Refuse(writ.ReasonApproverUnknown, fmt.Sprintf("only people of %s decide on playbooks of %s", service.Owner, s.Service))
	case s.From != shown.Stands || !s.Record.Equal(shown.Digest):
		return "", &writ.Refusal{Code: writ.ReasonAutonomyMoved, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the record of %s on %s is not the one that was signed for: it stands at %s", s.Playbook, s.Service, shown.Stands), Hint: "look at it again: writ playbook record " + s.Playbook}
	case up && (doc.Level+int(s.To-s.From) < 0 || doc.Record.Proposed == nil || !doc.Record.Proposed.Up()):
		return "", &writ.Refusal{
			Code: writ.ReasonNotEarned, Kind: writ.ErrDenied, Detail: fmt.Sprintf("%d of %d verified runs in a row carry a move of %s to %s on %s, and none goes below its own tier, %s", doc.Record.Streak, c.Autonomy.Verified, s.Playbook, s.To, s.Service, shown.Own),
			Hint: "Writ proposes it when the record carries it",
		}
	}
	return service.Owner, nil
}

// mayRestore refuses to give an agent T1 back that has not lost it, on another record than the one of this digest, or by
// somebody of these groups and accounts who may not.
func mayRestore(a writ.Agent, doc agentRow, groups []string, accounts []writ.Person, record writ.Digest) error {
	shown, err := showAgent(doc, a)
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(groups, a.Team):
		return writ.Refuse(writ.ReasonApproverUnknown, fmt.Sprintf("only people of %s restore its agents", a.Team))
	case slices.Contains(accounts, a.Owner):
		return &writ.Refusal{Code: writ.ReasonApproverConflict, Kind: writ.ErrDenied, Detail: "nobody restores the agent that they answer for", Hint: "somebody else of " + a.Team + " does"}
	case !doc.Record.Lost:
		return &writ.Refusal{Code: writ.ReasonNothingLost, Kind: writ.ErrConflict, Detail: fmt.Sprintf("agent %s has T1", a.Name), Hint: "writ agent record " + a.Name}
	case !record.Equal(shown.Digest):
		return &writ.Refusal{Code: writ.ReasonAutonomyMoved, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the record of %s is not the one that was signed for", a.Name), Hint: "look at it again: writ agent record " + a.Name}
	}
	return nil
}
