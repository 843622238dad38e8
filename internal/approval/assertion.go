package approval

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// Challenge is what a passkey signs for an answer's statement: a digest of its own kind, so that no other digest of Writ's,
// and no challenge that a login makes up, can be taken for it.
func Challenge(statement []byte) []byte { return forApproval.challenge(statement) }

// AskChallenge is what a passkey signs for an ask for break-glass. It is never the challenge of an answer.
func AskChallenge(statement []byte) []byte { return forAsk.challenge(statement) }

// PolicyChallenge is what a passkey signs for an answer to a change of the policy set.
func PolicyChallenge(statement []byte) []byte { return forPolicy.challenge(statement) }

// AutonomyChallenge is what a passkey signs for a decision on autonomy.
func AutonomyChallenge(statement []byte) []byte { return forAutonomy.challenge(statement) }

func (p purpose) challenge(statement []byte) []byte {
	h := sha256.New()
	h.Write([]byte(p.domain))
	h.Write(statement)
	return h.Sum(nil)
}

// Flags of authenticatorData that FIDO signatures of SSH do not have (Web Authentication Level 3, section 6.1).
const (
	flagBackupEligible = 0x08
	flagBackedUp       = 0x10
	flagsKnown         = flagTouched | flagVerified | flagBackupEligible | flagBackedUp
)

// authenticatorData is what an authenticator says of one assertion.
type authenticatorData struct {
	rp      [sha256.Size]byte // hash of the rpId
	flags   byte
	counter uint32
}

// authenticatorSize is that of an assertion without extensions: the hash, the flags and the counter.
const authenticatorSize = sha256.Size + 1 + 4

// parseAuthenticatorData takes exactly what an assertion has when no extension was asked for. Attested credential data,
// extensions and flags that the standard reserves are refused.
func parseAuthenticatorData(b []byte) (authenticatorData, error) {
	if len(b) != authenticatorSize {
		return authenticatorData{}, errors.New("authenticator data of an assertion has 37 bytes")
	}
	d := authenticatorData{flags: b[sha256.Size], counter: binary.BigEndian.Uint32(b[sha256.Size+1:])}
	copy(d.rp[:], b)
	switch {
	case d.flags&^flagsKnown != 0:
		return authenticatorData{}, errors.New("authenticator data has a flag that no assertion has")
	case d.flags&flagBackedUp != 0 && d.flags&flagBackupEligible == 0: // section 6.1.3
		return authenticatorData{}, errors.New("authenticator data says backed up of a passkey that cannot be")
	}
	return d, nil
}

// clientData is what a browser says of one assertion (section 5.8.1).
type clientData struct {
	kind, challenge, origin string
	cross                   bool // another site's page asked
}

// parseClientData reads clientDataJSON. Names are exact and stand once; further members are allowed, as the standard
// demands of readers, and are not looked at.
func parseClientData(b []byte) (clientData, error) {
	var c clientData
	bad := errors.New("client data is not what a browser writes")
	if len(b) > writ.MaxClientData || canon.Check(b) != nil {
		return c, bad
	}
	var members map[string]json.RawMessage // a struct would take names of other case
	if json.Unmarshal(b, &members) != nil {
		return c, bad
	}
	for name, to := range map[string]*string{"type": &c.kind, "challenge": &c.challenge, "origin": &c.origin} {
		raw, ok := members[name]
		if !ok || json.Unmarshal(raw, to) != nil {
			return c, bad
		}
	}
	if raw, ok := members["crossOrigin"]; ok && json.Unmarshal(raw, &c.cross) != nil {
		return c, bad
	}
	if _, ok := members["topOrigin"]; ok {
		c.cross = true
	}
	return c, nil
}

// maxAssertion bounds the signature of an assertion: RS256 with 2048 bits has 256 bytes, the others less.
const maxAssertion = 256

// verifyAssertion checks one assertion for a statement against the credential that it names, and returns how strong a
// proof it is (section 7.2, without what only a server can remember).
func verifyAssertion(p purpose, statement []byte, a writ.Assertion, c writ.Credential) (writ.ProofLevel, uint32, error) {
	bad := func(what string) (writ.ProofLevel, uint32, error) {
		return "", 0, writ.Refuse(writ.ReasonApprovalSignature, what)
	}
	auth, err := parseAuthenticatorData(a.AuthenticatorData)
	if err != nil {
		return bad(err.Error())
	}
	client, err := parseClientData(a.ClientData)
	if err != nil {
		return bad(err.Error())
	}
	key, err := ParseCOSE(c.Key)
	if err != nil {
		return bad("the passkey's key cannot be read")
	}
	challenge := base64.RawURLEncoding.EncodeToString(p.challenge(statement))
	rp, hash := sha256.Sum256([]byte(c.RP)), sha256.Sum256(a.ClientData)
	switch {
	case client.kind != "webauthn.get":
		return bad("it is no assertion")
	case subtle.ConstantTimeCompare([]byte(client.challenge), []byte(challenge)) != 1:
		return bad("its challenge is not of this statement")
	case client.origin != c.Origin:
		return bad("it was made at another origin than the one for approving")
	case client.cross:
		return bad("a page of another site asked for it")
	case subtle.ConstantTimeCompare(auth.rp[:], rp[:]) != 1:
		return bad("it was made for another rpId than the one for approving")
	case auth.flags&flagTouched == 0:
		return bad("nobody was present")
	case auth.flags&flagVerified == 0:
		return bad("the authenticator did not verify its user")
	case (auth.flags&flagBackupEligible != 0) != c.Synced:
		return bad("it is not bound to its device as it was when it was enrolled")
	case len(a.Signature) > maxAssertion || !key.verify(slices.Concat(a.AuthenticatorData, hash[:]), a.Signature):
		return bad("the passkey did not sign this statement")
	}
	if (auth.counter != 0 || c.Counter != 0) && int64(auth.counter) <= c.Counter {
		return "", 0, writ.Refuse(writ.ReasonApprovalCloned, "the passkey's counter went back")
	}
	if c.Level == writ.ProofA && !c.Synced {
		return writ.ProofA, auth.counter, nil
	}
	return writ.ProofB, auth.counter, nil
}
