package approval

import (
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
)

// Namespaces of break-glass: what is signed in one of them is nothing in another.
const (
	NamespaceAsk     = "breakglass@writ.dev"
	NamespaceOffline = "breakglass-offline@writ.dev"
)

// SignAsk signs the bytes of a break-glass statement, as "ssh-keygen -Y sign -n breakglass@writ.dev" would.
func SignAsk(statement []byte, signer ssh.Signer, rand io.Reader) (string, error) {
	if _, err := writ.ParseBreakGlassStatement(statement); err != nil {
		return "", err
	}
	return sign(statement, NamespaceAsk, signer, rand)
}

// SignOffline signs the bytes of an offline statement, as "ssh-keygen -Y sign -n breakglass-offline@writ.dev" would.
func SignOffline(statement []byte, signer ssh.Signer, rand io.Reader) (string, error) {
	if _, err := writ.ParseOfflineStatement(statement); err != nil {
		return "", err
	}
	return sign(statement, NamespaceOffline, signer, rand)
}

// Asked is a break-glass ask whose proof has been checked against a roster.
type Asked struct {
	Statement writ.BreakGlassStatement
	Person    writ.Person // the member's first account
	Groups    []string
	Proof     writ.ProofLevel // A or B of a passkey, C of an SSH key
	Key       string          // fingerprint
	Passkey   []byte          // id of the passkey that signed; empty for an SSH key
	Counter   uint32          // of that passkey, after it signed
}

// VerifyAsk checks an ask for break-glass: the statement's form and time, the proof over its bytes, that its key is on the
// roster for that very person and was before the incident, and that the proof is at least of this level. No level below C
// will do, whatever is asked for: a plain key can be used by whoever can read a file. Refusals say break_glass_form,
// approval_form, approval_signature, approval_cloned, approver_unknown, approval_proof or break_glass_expired.
func VerifyAsk(a writ.Signed, roster Roster, least writ.ProofLevel, now time.Time) (Asked, error) {
	if len(a.Statement) > maxStatement {
		return Asked{}, writ.Refuse(writ.ReasonBreakGlassForm, "the statement is too long")
	}
	s, err := writ.ParseBreakGlassStatement(a.Statement)
	if err != nil {
		return Asked{}, writ.Refuse(writ.ReasonBreakGlassForm, "the statement is not of the closed canonical form")
	}
	by, err := prove(forAsk, s.Asker, a, roster)
	if err != nil {
		return Asked{}, err
	}
	if by.proof.Strength() < max(least.Strength(), writ.ProofC.Strength()) {
		return Asked{}, &writ.Refusal{
			Code: writ.ReasonApprovalProof, Kind: writ.ErrDenied, Detail: fmt.Sprintf("the ask has a proof of level %s; break-glass takes %s or better", by.proof, strongest(least)),
			Hint: "sign with a passkey at the origin for approving, or with a security key, touch and PIN (--sk); breakglass.ask_proof in the server's configuration says which level is enough",
		}
	}
	switch {
	case now.IsZero() || !now.Before(s.Expires):
		return Asked{}, writ.Refuse(writ.ReasonBreakGlassExpired, "the ask has expired")
	case now.Before(s.NotBefore.Add(-maxSkew)):
		return Asked{}, writ.Refuse(writ.ReasonBreakGlassExpired, "the ask does not count yet")
	case by.since.After(s.NotBefore), s.Incident != "" && by.since.After(s.Incident.Opened()):
		// As a key that is newer than a plan does not answer it: nobody enrols one for what is going on.
		return Asked{}, writ.Refuse(writ.ReasonApproverUnknown, "the key was enrolled after the incident was opened")
	}
	m := roster[by.member]
	return Asked{Statement: s, Person: m.Person(), Groups: slices.Clone(m.Groups), Proof: by.proof, Key: by.key, Passkey: by.passkey, Counter: by.counter}, nil
}

// strongest of a level and C.
func strongest(p writ.ProofLevel) writ.ProofLevel {
	if p.Strength() < writ.ProofC.Strength() {
		return writ.ProofC
	}
	return p
}

// MaxSigners bounds the signatures that are looked at for one offline plan.
const MaxSigners = 16

// A Signer is one person who signed an offline statement.
type Signer struct {
	Person writ.Person
	Proof  writ.ProofLevel
	Key    string
}

// CountOffline verifies signatures over one offline statement and returns whose they are. Each must be a hardware key's,
// with touch and PIN, of a member of one of the groups; one human counts once, and a second signature of theirs is refused
// as if it were nobody's. It does not look at the statement's contents. Refusals say approval_signature, approval_proof or
// offline_signer.
func CountOffline(statement []byte, signatures []string, roster Roster, groups []string) ([]Signer, error) {
	if len(statement) > maxStatement || len(signatures) > MaxSigners {
		return nil, writ.Refuse(writ.ReasonOfflineSigner, fmt.Sprintf("a statement is short and has at most %d signatures", MaxSigners))
	}
	var out []Signer
	seen := map[int]bool{}
	for n, armored := range signatures {
		key, proof, err := verifySignature(statement, armored, NamespaceOffline)
		if err != nil {
			return nil, err
		}
		if proof.Strength() < writ.ProofC.Strength() {
			return nil, writ.Refuse(writ.ReasonApprovalProof, fmt.Sprintf("signature %d is not of a security key with touch and PIN", n+1))
		}
		i := slices.IndexFunc(roster, func(m Member) bool { return m.holds(key) })
		switch {
		case i < 0:
			return nil, writ.Refuse(writ.ReasonOfflineSigner, fmt.Sprintf("signature %d is by a key that is not on the roster", n+1))
		case !slices.ContainsFunc(roster[i].Groups, func(g string) bool { return slices.Contains(groups, g) }):
			return nil, writ.Refuse(writ.ReasonOfflineSigner, fmt.Sprintf("signature %d is by somebody in no group that answers for this service", n+1))
		case seen[i]:
			return nil, writ.Refuse(writ.ReasonOfflineSigner, "one person has signed twice")
		}
		seen[i] = true
		out = append(out, Signer{roster[i].Person(), proof, ssh.FingerprintSHA256(key)})
	}
	return out, nil
}
