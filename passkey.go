package writ

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// A Credential is one passkey of a person, as much of it as it takes to verify its assertions (Web Authentication Level 3,
// section 6). It is public: a server keeps it, a ledger and a trust file hold it.
type Credential struct {
	ID      []byte     `json:"id"`     // as the authenticator made it
	Key     []byte     `json:"key"`    // COSE_Key in the canonical CBOR of CTAP2
	RP      string     `json:"rp_id"`  // the host of Origin
	Origin  string     `json:"origin"` // where it approves, and nowhere else
	AAGUID  string     `json:"aaguid"` // the authenticator's model; zeros when it did not say
	Level   ProofLevel `json:"level"`  // the most that it proves: A or B
	Synced  bool       `json:"synced"` // it may leave its device (backup eligible)
	Counter int64      `json:"counter" doc:"the signature counter when it was enrolled"`
	Since   time.Time  `json:"since" doc:"plans made before it are not its to answer"`
}

// An Assertion is what a passkey signed, in the bytes that the browser gave (section 5.2.2). Which statement it is for
// follows from the challenge in ClientData.
type Assertion struct {
	Credential        []byte `json:"credential"`         // id of the passkey
	AuthenticatorData []byte `json:"authenticator_data"` // 37 bytes
	ClientData        []byte `json:"client_data"`        // clientDataJSON
	Signature         []byte `json:"signature"`
}

// A Registration is a new passkey as the browser gave it (section 5.2.1).
type Registration struct {
	Credential  []byte `json:"credential" doc:"its id"`
	ClientData  []byte `json:"client_data" doc:"clientDataJSON"`
	Attestation []byte `json:"attestation" doc:"attestationObject"`
}

// A Passkey is the enrolment of a Credential. It counts while it is active, which another person has to bring about.
type Passkey struct {
	ID          PasskeyID    `json:"id"`
	Person      Person       `json:"person"`
	State       PasskeyState `json:"state"`
	Credential  Credential   `json:"credential"`
	Fingerprint string       `json:"fingerprint" doc:"of its key; who confirms compares it with what its owner was shown"`
	Enrolled    time.Time    `json:"enrolled"`
	Changed     time.Time    `json:"changed"`
	By          Principal    `json:"by" doc:"who brought about its state"`
}

// PasskeyState is closed: passkeyMoves is its table.
type PasskeyState string

const (
	PasskeyPending PasskeyState = "pending" // enrolled by its owner, and worth nothing until somebody else confirms it
	PasskeyActive  PasskeyState = "active"
	PasskeyRemoved PasskeyState = "removed"
)

var passkeyMoves = map[PasskeyState][]PasskeyState{
	PasskeyPending: {PasskeyActive, PasskeyRemoved},
	PasskeyActive:  {PasskeyRemoved},
}

// Move refuses what the table does not have.
func (s PasskeyState) Move(to PasskeyState) error {
	for _, t := range passkeyMoves[s] {
		if t == to {
			return nil
		}
	}
	return fmt.Errorf("%w: a passkey cannot go from %q to %q", ErrConflict, Printable(string(s), 20), Printable(string(to), 20))
}

// A PasskeyBody is the entry of an enrolment, its confirmation or its removal.
type PasskeyBody struct {
	Passkey      PasskeyID     `json:"passkey"`
	Person       Person        `json:"person"`
	State        PasskeyState  `json:"state"` // from now on
	Credential   Credential    `json:"credential"`
	By           Principal     `json:"by"`
	Registration *Registration `json:"registration,omitempty"` // of an enrolment: what the browser gave
}

// EntryPasskey is the kind of PasskeyBody.
const EntryPasskey EntryKind = "passkey"

// PasskeyID names one passkey: "psk_" and 26 characters that follow from its credential's id, so that no credential is
// enrolled twice.
type PasskeyID string

// PasskeyIDOf returns the name of the passkey of a credential: the first 128 bits of the SHA-256 of its id.
func PasskeyIDOf(credential []byte) PasskeyID {
	sum := sha256.Sum256(credential)
	b := make([]byte, 0, ulidLen)
	bits, n := uint(0), 2 // 26 characters hold 130 bits: the first two are 0, as in a ULID
	for _, x := range sum[:16] {
		bits, n = bits<<8|uint(x), n+8
		for n >= 5 {
			n -= 5
			b = append(b, crockford[bits>>n&31])
		}
	}
	return PasskeyID("psk_" + string(b))
}

// ParsePasskeyID is the only way in from text.
func ParsePasskeyID(s string) (PasskeyID, error) { return parseID[PasskeyID](s, "psk") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *PasskeyID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "psk") }

// Limits of a passkey. The first is of Web Authentication (section 4, credential ID); the others leave room above what
// authenticators send: attestations with certificates have up to 6 KiB, client data about 250 bytes.
const (
	MaxCredentialID = 1023
	MaxAttestation  = 12 << 10
	MaxClientData   = 2 << 10
)

// An EnrolAsk is what a browser is to make a passkey with.
type EnrolAsk struct {
	Options CreationOptions `json:"public_key" doc:"for PublicKeyCredential.parseCreationOptionsFromJSON; good for one passkey within five minutes"`
}

// An AnswerWish is how a person wants to answer a plan that was shown to them.
type AnswerWish struct {
	PlanDigest Digest // of the plan that was shown
	Answer     Answer
	Slot       string
	Typed      string
}

// An AnswerAsk is what a browser is to have a plan answered with.
type AnswerAsk struct {
	Statement []byte         `json:"statement" doc:"to be sent back with the assertion; good for one answer"`
	Options   RequestOptions `json:"public_key" doc:"for PublicKeyCredential.parseRequestOptionsFromJSON; the challenge is the digest of the statement"`
}

// CreationOptions are PublicKeyCredentialCreationOptionsJSON (Web Authentication Level 3, section 5.1.9). Bytes are
// base64url without padding; Timeout is in milliseconds.
type CreationOptions struct {
	RP          CredentialRP           `json:"rp"`
	User        CredentialUser         `json:"user"`
	Challenge   string                 `json:"challenge"`
	Parameters  []CredentialParameter  `json:"pubKeyCredParams"`
	Timeout     int                    `json:"timeout"`
	Exclude     []CredentialDescriptor `json:"excludeCredentials"`
	Selection   CredentialSelection    `json:"authenticatorSelection"`
	Attestation string                 `json:"attestation"`
}

// RequestOptions are PublicKeyCredentialRequestOptionsJSON (section 5.1.10).
type RequestOptions struct {
	Challenge        string                 `json:"challenge"`
	Timeout          int                    `json:"timeout"`
	RPID             string                 `json:"rpId"`
	Allow            []CredentialDescriptor `json:"allowCredentials"`
	UserVerification string                 `json:"userVerification"`
}

// The parts of the options (section 5.4).
type (
	CredentialRP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	CredentialUser struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	}
	CredentialParameter struct {
		Type      string `json:"type"`
		Algorithm int    `json:"alg"`
	}
	CredentialDescriptor struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	CredentialSelection struct {
		ResidentKey      string `json:"residentKey"`
		UserVerification string `json:"userVerification"`
	}
)
