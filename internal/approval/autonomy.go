package approval

import (
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
)

// NamespaceAutonomy is that of decisions on autonomy: what is signed in it is nothing in another.
const NamespaceAutonomy = "autonomy@writ.dev"

// SignAutonomy signs the bytes of a decision on autonomy, as "ssh-keygen -Y sign -n autonomy@writ.dev" would.
func SignAutonomy(statement []byte, signer ssh.Signer, rand io.Reader) (string, error) {
	if _, err := writ.ParseAutonomyStatement(statement); err != nil {
		return "", err
	}
	return sign(statement, NamespaceAutonomy, signer, rand)
}

// Decided is a decision on autonomy whose proof has been checked against a roster.
type Decided struct {
	Statement writ.AutonomyStatement
	Person    writ.Person   // the member's first account
	Accounts  []writ.Person // all of them
	Groups    []string
	Proof     writ.ProofLevel // A or B of a passkey, C or D of an SSH key
	Key       string          // fingerprint
	Passkey   []byte          // id of the passkey that signed; empty for an SSH key
	Counter   uint32          // of that passkey, after it signed

	since time.Time // what went on before it is not the key's to decide
}

// About refuses a decision by a key that was enrolled after what it is about came up: nobody enrols one for a move that is
// already proposed, or for an agent that has already lost T1. The zero time is of what never came up.
func (d Decided) About(cameUp time.Time) error {
	if !cameUp.IsZero() && d.since.After(cameUp) {
		return writ.Refuse(writ.ReasonApproverUnknown, "the key was enrolled after this decision came up")
	}
	return nil
}

// VerifyAutonomy checks a decision on autonomy: the statement's form and time, the proof over its bytes, that its key
// is on the roster for that very person and was before they decided, and that the proof is at least of this level. What the
// person may decide is not looked at, nor whether a passkey's counter has grown. Refusals say autonomy_form, approval_form,
// approval_signature, approval_cloned, approver_unknown, approval_proof or approval_expired.
func VerifyAutonomy(a writ.Signed, roster Roster, least writ.ProofLevel, now time.Time) (Decided, error) {
	if len(a.Statement) > maxStatement {
		return Decided{}, writ.Refuse(writ.ReasonAutonomyForm, "the statement is too long")
	}
	s, err := writ.ParseAutonomyStatement(a.Statement)
	if err != nil {
		return Decided{}, writ.Refuse(writ.ReasonAutonomyForm, "the statement is not of the closed canonical form")
	}
	by, err := prove(forAutonomy, s.Person, a, roster)
	if err != nil {
		return Decided{}, err
	}
	if by.proof.Strength() < least.Strength() {
		return Decided{}, &writ.Refusal{
			Code: writ.ReasonApprovalProof, Kind: writ.ErrDenied, Detail: fmt.Sprintf("the decision has a proof of level %s; it takes %s or better, as an approval at that tier does", by.proof, least),
			Hint: "sign with a passkey at the origin for approving, or with a security key, touch and PIN: --sk",
		}
	}
	switch {
	case now.IsZero() || !now.Before(s.Expires):
		return Decided{}, writ.Refuse(writ.ReasonApprovalExpired, "the statement has expired")
	case now.Before(s.NotBefore.Add(-maxSkew)):
		return Decided{}, writ.Refuse(writ.ReasonApprovalExpired, "the statement does not count yet")
	case by.since.After(s.NotBefore):
		return Decided{}, writ.Refuse(writ.ReasonApproverUnknown, "the key was enrolled after the person decided")
	}
	m := roster[by.member]
	return Decided{
		Statement: s, Person: m.Person(), Accounts: m.people(), Groups: slices.Clone(m.Groups), Proof: by.proof, Key: by.key, Passkey: by.passkey, Counter: by.counter, since: by.since,
	}, nil
}
