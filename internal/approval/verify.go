package approval

import (
	"bytes"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
)

// Verified is an answer whose proof has been checked against a roster.
type Verified struct {
	Statement writ.ApprovalStatement
	Person    writ.Person // the member's first account, under whichever one they answered
	Groups    []string
	Proof     writ.ProofLevel // A or B of a passkey, C or D of an SSH key
	Key       string          // SHA256 fingerprint of the key, as ssh-keygen prints it
	Passkey   []byte          // id of the passkey that signed; empty for an SSH key
	Counter   uint32          // of that passkey, after it signed
	Since     time.Time       // plans made before it are not the key's to answer

	member int
}

// Bounds on what is parsed: a statement has about 1 KiB, a signature below 1 KiB.
const (
	maxStatement = 16 << 10
	maxSignature = 8 << 10
)

// Flags of a FIDO signature (WebAuthn section 6.1, PROTOCOL.u2f of OpenSSH).
const (
	flagTouched  = 0x01
	flagVerified = 0x04
)

// Verify checks one answer: the statement's form and time, the proof over its bytes, and that its key is on the roster for
// that very person. Of the approval it reads Statement, Signature and Passkey only. It does not look at the plan: Bind
// does. It remembers nothing: that a passkey's counter has grown since its last answer is for those to check who saw that
// one. Refusals say approval_form, approval_signature, approval_cloned, approver_unknown or approval_expired.
func Verify(a writ.Approval, roster Roster, now time.Time) (Verified, error) {
	if len(a.Statement) > maxStatement {
		return Verified{}, writ.Refuse(writ.ReasonApprovalForm, "the statement is too long")
	}
	s, err := writ.ParseApprovalStatement(a.Statement)
	if err != nil {
		return Verified{}, writ.Refuse(writ.ReasonApprovalForm, "the statement is not of the closed canonical form")
	}
	return answered(forApproval, s, a, roster, now)
}

// answered checks the proof over an answer's bytes and the answer's time, and says whose it is.
func answered(p purpose, s writ.ApprovalStatement, a writ.Approval, roster Roster, now time.Time) (Verified, error) {
	by, err := prove(p, s.Approver, writ.Signed{Statement: a.Statement, Signature: a.Signature, Passkey: a.Passkey}, roster)
	if err != nil {
		return Verified{}, err
	}
	switch {
	case now.IsZero() || !now.Before(s.Expires):
		return Verified{}, writ.Refuse(writ.ReasonApprovalExpired, "the statement has expired")
	case now.Before(s.NotBefore.Add(-maxSkew)):
		return Verified{}, writ.Refuse(writ.ReasonApprovalExpired, "the statement does not count yet")
	}
	m := roster[by.member]
	return Verified{
		Statement: s, Person: m.Person(), Groups: slices.Clone(m.Groups), Proof: by.proof, Key: by.key, Passkey: by.passkey, Counter: by.counter, Since: by.since, member: by.member,
	}, nil
}

// maxSkew is how far a person's clock may run ahead of the verifier's.
const maxSkew = 5 * time.Second

// verifySignature returns the key that signed in a namespace, and how strong a proof that is.
func verifySignature(statement []byte, armored, namespace string) (ssh.PublicKey, writ.ProofLevel, error) {
	bad := func(what string) (ssh.PublicKey, writ.ProofLevel, error) {
		return nil, "", writ.Refuse(writ.ReasonApprovalSignature, what)
	}
	sig, ok := unarmor(armored)
	if !ok {
		return bad("it is not exactly one armored SSH signature")
	}
	kind := kindOf(sig.PublicKey)
	switch {
	case kind == kindNone:
		return bad("the kind of key cannot approve")
	case sig.Namespace != namespace:
		return bad("it was made for another purpose than " + namespace)
	case sig.HashAlgorithm != sshsig.HashSHA512 && sig.HashAlgorithm != sshsig.HashSHA256:
		return bad("the hash must be sha512 or sha256")
	case sig.Signature.Format != sig.PublicKey.Type():
		return bad("the signature's algorithm is not the key's")
	}
	proof := writ.ProofD
	switch rest := sig.Signature.Rest; {
	case kind == kindPlain && len(rest) != 0, kind == kindHardware && len(rest) != 5: // flags and a 32-bit counter
		return bad("it is not of the form of its algorithm")
	case kind == kindHardware && rest[0]&flagTouched == 0:
		return bad("the security key was not touched")
	case kind == kindHardware && rest[0]&flagVerified != 0:
		proof = writ.ProofC
	}
	if err := sshsig.Verify(bytes.NewReader(statement), sig, sig.PublicKey, sig.HashAlgorithm, namespace); err != nil {
		return bad("the key did not sign this statement")
	}
	return sig.PublicKey, proof, nil
}

// unarmor takes one PEM block without headers and nothing around it.
func unarmor(armored string) (*sshsig.Signature, bool) {
	s := strings.TrimSpace(armored)
	if len(armored) > maxSignature || !strings.HasPrefix(s, "-----BEGIN "+sshsig.PEMType+"-----") {
		return nil, false
	}
	block, rest := pem.Decode([]byte(s))
	if block == nil || block.Type != sshsig.PEMType || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, false
	}
	sig, err := sshsig.ParseSignature(block.Bytes)
	if err != nil || !bytes.Equal(sig.Marshal(), block.Bytes) {
		return nil, false
	}
	return sig, true
}
