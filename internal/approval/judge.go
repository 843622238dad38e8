package approval

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// A Question is what answers are counted for.
type Question struct {
	Plan   writ.Plan
	Tier   writ.Tier         // as policy decided the plan; the zero asks for what T4 demands
	Digest writ.Digest       // of the plan's bytes
	Policy writ.Digest       // asked under now
	Roster Roster            // the counter's own
	Slots  map[string]string // slot -> the roster's group that fills it, for the plan's service; no other slot exists
	Owner  writ.Person       // the requesting agent's human owner, who cannot answer; an agent without one gets no answers
	Passed []writ.Person     // the human owners of Plan.Lineage, one each in its order, who cannot answer either
	Now    time.Time
}

// Judge verifies one answer, an approval or a rejection, completely: Verify, Bind, and that this human may give it.
// Beyond their refusals it says approver_unknown (no such slot, not in its group, keys too new), approver_conflict
// (requester, or the agent's owner) or approval_mismatch (approved as of a lower tier, or nothing typed where the tier demands it). It is what a door
// asks when an answer comes in; Count asks it again for each.
func (q Question) Judge(a writ.Approval) (Verified, error) {
	v, err := Verify(a, q.Roster, q.Now)
	if err != nil {
		return Verified{}, err
	}
	if err := Bind(v.Statement, q.Plan, q.Digest, q.Policy); err != nil {
		return Verified{}, err
	}
	group := q.Slots[v.Statement.Slot]
	switch {
	case group == "" || !slices.Contains(v.Groups, group):
		return Verified{}, writ.Refuse(writ.ReasonApproverUnknown, fmt.Sprintf("the person cannot answer as %s", writ.Printable(v.Statement.Slot, 40)))
	case v.Since.After(q.Plan.MadeAt):
		return Verified{}, writ.Refuse(writ.ReasonApproverUnknown, "the key was enrolled after the plan was made")
	}
	if err := q.apart(v); err != nil {
		return Verified{}, err
	}
	if in := q.Plan.InForce(q.Tier); v.Statement.Answer == writ.Approve && v.Statement.SpeaksOf(q.Plan.Tier) < in {
		return Verified{}, &writ.Refusal{
			Code: writ.ReasonApprovalMismatch, Kind: writ.ErrDenied, Detail: fmt.Sprintf("the answer was given to the plan as %s, and it counts as %s", v.Statement.SpeaksOf(q.Plan.Tier), in),
			Hint: "look at the plan again, and answer it as it counts now",
		}
	}
	if v.Statement.Answer == writ.Approve && q.Plan.InForce(q.Tier) >= writ.T4 && v.Statement.Typed != Confirmation(q.Plan) {
		return Verified{}, writ.Refuse(writ.ReasonApprovalMismatch, "the object's name was not typed as the tier demands")
	}
	return v, nil
}

// Admits says whether a person may speak about the plan without a signature: a human of one of the groups in Slots, and
// neither the requester nor the agent's owner. It refuses as Judge does.
func (q Question) Admits(by writ.Principal) error {
	p := writ.Person{Iss: by.Iss, Sub: by.Sub}
	i, known := q.Roster.find(p)
	if by.Kind != writ.KindHuman || !known {
		return writ.Refuse(writ.ReasonApproverUnknown, "the person is not on the roster")
	}
	v := Verified{Person: p, Groups: q.Roster[i].Groups, member: i}
	for _, group := range q.Slots {
		if slices.Contains(v.Groups, group) {
			return q.apart(v)
		}
	}
	return writ.Refuse(writ.ReasonApproverUnknown, "the person is in no group that answers for this service")
}

// apart refuses whoever the ask is of: its requester, its agent's owner, and the owners of those that passed the incident
// on (invariant I02).
func (q Question) apart(v Verified) error {
	switch {
	case q.isRequester(v):
		return writ.Refuse(writ.ReasonApproverConflict, "nobody answers what they asked for")
	case q.Plan.Requester.Kind == writ.KindAgent && !q.Owner.Principal().Valid():
		return writ.Refuse(writ.ReasonApproverConflict, "the agent's owner is not known, and might be this person")
	case q.isOwner(v):
		return writ.Refuse(writ.ReasonApproverConflict, "the agent's owner cannot answer for it")
	case q.unknownLineage():
		return writ.Refuse(writ.ReasonApproverConflict, "the owner of an agent that passed the incident on is not known, and might be this person")
	case q.passedOn(v):
		return writ.Refuse(writ.ReasonApproverConflict, "the owner of an agent that passed the incident on cannot answer")
	}
	return nil
}

// judge is Judge for an approval: a rejection is an error of reason rejected.
func (q Question) judge(a writ.Approval) (Verified, error) {
	v, err := q.Judge(a)
	if err == nil && v.Statement.Answer != writ.Approve {
		return v, writ.Refuse(writ.ReasonRejected, "a person rejected the plan")
	}
	return v, err
}

func (q Question) isRequester(v Verified) bool {
	by := q.Plan.Requester
	return by.Kind != writ.KindAgent && q.isMember(v, writ.Person{Iss: by.Iss, Sub: by.Sub})
}

func (q Question) isOwner(v Verified) bool { return q.isMember(v, q.Owner) }

// unknownLineage reports that not every agent in the plan's lineage has an owner.
func (q Question) unknownLineage() bool {
	return len(q.Passed) != len(q.Plan.Lineage) || slices.ContainsFunc(q.Passed, func(p writ.Person) bool { return !p.Principal().Valid() })
}

func (q Question) passedOn(v Verified) bool {
	return slices.ContainsFunc(q.Passed, func(p writ.Person) bool { return q.isMember(v, p) })
}

// isMember reports whether p is an account of the one who answered.
func (q Question) isMember(v Verified, p writ.Person) bool {
	return p.Principal().Valid() && slices.Contains(q.Roster[v.member].people(), p)
}
