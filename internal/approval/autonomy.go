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
	Proof     writ.ProofLevel
	Key       string
}

// VerifyAutonomy checks a decision on autonomy: the statement's form and time, the signature over its bytes, that the key
// is on the roster for that very person, and that the proof is at least of this level. What the person may decide is not
// looked at. Refusals say autonomy_form, approval_signature, approver_unknown, approval_proof or approval_expired.
func VerifyAutonomy(a writ.Signed, roster Roster, least writ.ProofLevel, now time.Time) (Decided, error) {
	if len(a.Statement) > maxStatement {
		return Decided{}, writ.Refuse(writ.ReasonAutonomyForm, "the statement is too long")
	}
	s, err := writ.ParseAutonomyStatement(a.Statement)
	if err != nil {
		return Decided{}, writ.Refuse(writ.ReasonAutonomyForm, "the statement is not of the closed canonical form")
	}
	key, proof, err := verifySignature(a.Statement, a.Signature, NamespaceAutonomy)
	if err != nil {
		return Decided{}, err
	}
	i, ok := roster.find(s.Person)
	if !ok || !roster[i].holds(key) {
		return Decided{}, writ.Refuse(writ.ReasonApproverUnknown, "the person is not on the roster with this key")
	}
	if proof.Strength() < least.Strength() {
		return Decided{}, &writ.Refusal{
			Code: writ.ReasonApprovalProof, Kind: writ.ErrDenied, Detail: fmt.Sprintf("the decision has a proof of level %s; it takes %s or better, as an approval at that tier does", proof, least),
			Hint: "sign with a security key, touch and PIN: --sk",
		}
	}
	switch {
	case now.IsZero() || !now.Before(s.Expires):
		return Decided{}, writ.Refuse(writ.ReasonApprovalExpired, "the statement has expired")
	case now.Before(s.NotBefore.Add(-maxSkew)):
		return Decided{}, writ.Refuse(writ.ReasonApprovalExpired, "the statement does not count yet")
	}
	m := roster[i]
	return Decided{s, m.Person(), m.people(), slices.Clone(m.Groups), proof, ssh.FingerprintSHA256(key)}, nil
}
