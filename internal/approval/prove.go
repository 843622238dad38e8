package approval

import (
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
)

// A purpose separates what is signed for one thing from what is signed for another: SSH signatures by their namespace,
// assertions of passkeys by what stands before the statement in their challenge's digest.
type purpose struct{ namespace, domain string }

// The purposes for which a passkey may sign. A statement that is for SSH keys alone has none.
var (
	forApproval = purpose{Namespace, "writ/approval/v1\x00"}
	forAsk      = purpose{NamespaceAsk, "writ/breakglass/v1\x00"}
	forPolicy   = purpose{NamespacePolicy, "writ/policy/v1\x00"}
	forAutonomy = purpose{NamespaceAutonomy, "writ/autonomy/v1\x00"}
)

// proven is whose proof over a statement was found good, and how strong it is.
type proven struct {
	member  int // of the roster
	proof   writ.ProofLevel
	key     string // fingerprint
	passkey []byte // its id; empty for an SSH key
	counter uint32 // of that passkey, after it signed
	since   time.Time
}

// prove checks the one proof over a statement: that its key, SSH or passkey, is on the roster for that very person, and
// signed the statement for this purpose. It is the only way by which a person's word is believed, an answer, an ask or a decision.
// Refusals say approval_form, approval_signature, approval_cloned or approver_unknown.
func prove(p purpose, who writ.Person, a writ.Signed, roster Roster) (proven, error) {
	var by proven
	var err error
	switch {
	case a.Passkey == nil:
		by, err = proveSSH(p, who, a, roster)
	case a.Signature != "":
		err = writ.Refuse(writ.ReasonApprovalForm, "a statement has one proof: an SSH signature or a passkey's assertion")
	default:
		by, err = provePasskey(p, who, a, roster)
	}
	if err != nil {
		return proven{}, err
	}
	if m := roster[by.member]; m.Since.After(by.since) {
		by.since = m.Since
	}
	return by, nil
}

func proveSSH(p purpose, who writ.Person, a writ.Signed, roster Roster) (proven, error) {
	key, proof, err := verifySignature(a.Statement, a.Signature, p.namespace)
	if err != nil {
		return proven{}, err
	}
	i, ok := roster.find(who)
	if !ok {
		return proven{}, writ.Refuse(writ.ReasonApproverUnknown, "the person is not on the roster")
	}
	if !roster[i].holds(key) {
		return proven{}, writ.Refuse(writ.ReasonApproverUnknown, "the key is not on the roster for this person")
	}
	return proven{member: i, proof: proof, key: ssh.FingerprintSHA256(key)}, nil
}

func provePasskey(p purpose, who writ.Person, a writ.Signed, roster Roster) (proven, error) {
	i, ok := roster.find(who)
	if !ok {
		return proven{}, writ.Refuse(writ.ReasonApproverUnknown, "the person is not on the roster")
	}
	c, ok := roster[i].passkey(a.Passkey.Credential)
	if !ok {
		return proven{}, writ.Refuse(writ.ReasonApproverUnknown, "the passkey is not on the roster for this person")
	}
	proof, counter, err := verifyAssertion(p, a.Statement, *a.Passkey, c)
	if err != nil {
		return proven{}, err
	}
	return proven{member: i, proof: proof, key: Fingerprint(c.Key), passkey: c.ID, counter: counter, since: c.Since}, nil
}
