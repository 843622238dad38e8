// Package passkey makes and checks the enrolment of passkeys for approving: what a browser is asked for, and whether what
// it sent is a new passkey of this site, and of which level. It is the only importer of go-webauthn. Assertions are
// verified by package approval, which runners and auditors share.
//
// All functions are pure and safe for concurrent use, but that go-webauthn also asks the machine's clock whether an
// attestation's certificates are valid.
package passkey

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// A Site is where people approve. The zero Site is nowhere.
type Site struct {
	Origin string                    // https://approve.writ.corp.example
	RP     string                    // its host
	Models map[string]*x509.CertPool // AAGUID of each model that level A is for, with the roots of its maker
}

// Check refuses a site that browsers, or people, could take for another.
func (s Site) Check() error {
	for model, roots := range s.Models {
		if !approval.IsAAGUID(model) || model == approval.NoAAGUID || roots == nil {
			return fmt.Errorf("%w: passkey: the model %q must be an AAGUID, a UUID in lower case, with its maker's roots", writ.ErrInvalid, writ.Printable(model, 60))
		}
	}
	return approval.CheckOrigin(s.Origin, s.RP)
}

// Patience is how long a browser waits for its user: as long as Web Authentication recommends where a user is verified
// (section 15.1).
const Patience = 5 * time.Minute

// Creation returns what a browser is to make a passkey with. The user handle is a digest of the person's identity, so that
// no name is kept on the authenticator's side but the one that is shown. Attestation is asked for where it can count.
func (s Site) Creation(challenge []byte, who writ.Person, have []writ.Credential) writ.CreationOptions {
	handle := sha256.Sum256([]byte("writ/user/v1\x00" + who.Iss + "\x00" + who.Sub))
	o := writ.CreationOptions{
		RP: writ.CredentialRP{ID: s.RP, Name: "Writ approvals"}, Challenge: text(challenge), Timeout: int(Patience.Milliseconds()), Attestation: "none",
		User:      writ.CredentialUser{ID: text(handle[:]), Name: writ.Printable(who.Sub, 64), DisplayName: writ.Printable(who.Sub, 64)},
		Selection: writ.CredentialSelection{ResidentKey: "discouraged", UserVerification: "required"}, Exclude: Descriptors(have),
	}
	if len(s.Models) > 0 {
		o.Attestation = "direct"
	}
	for _, a := range approval.Algorithms() {
		o.Parameters = append(o.Parameters, writ.CredentialParameter{Type: "public-key", Algorithm: a})
	}
	return o
}

// Request returns what a browser is to have an answer's statement signed with.
func (s Site) Request(statement []byte, have []writ.Credential) writ.RequestOptions {
	return s.request(approval.Challenge(statement), have)
}

// RequestAsk is Request for an ask for break-glass.
func (s Site) RequestAsk(statement []byte, have []writ.Credential) writ.RequestOptions {
	return s.request(approval.AskChallenge(statement), have)
}

// RequestPolicy is Request for an answer to a change of the policy set.
func (s Site) RequestPolicy(statement []byte, have []writ.Credential) writ.RequestOptions {
	return s.request(approval.PolicyChallenge(statement), have)
}

// RequestAutonomy is Request for a decision on autonomy.
func (s Site) RequestAutonomy(statement []byte, have []writ.Credential) writ.RequestOptions {
	return s.request(approval.AutonomyChallenge(statement), have)
}

// request demands that the authenticator verifies its user, whatever is signed.
func (s Site) request(challenge []byte, have []writ.Credential) writ.RequestOptions {
	return writ.RequestOptions{
		Challenge: text(challenge), Timeout: int(Patience.Milliseconds()), RPID: s.RP, Allow: Descriptors(have), UserVerification: "required",
	}
}

// Descriptors name passkeys to a browser.
func Descriptors(have []writ.Credential) []writ.CredentialDescriptor {
	out := []writ.CredentialDescriptor{}
	for _, c := range have {
		out = append(out, writ.CredentialDescriptor{Type: "public-key", ID: text(c.ID)})
	}
	return out
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Register checks a new passkey against the challenge that it was made for (Web Authentication Level 3, section 7.1) and
// returns it, with Since left for whoever confirms it. Its level is A if its model is one of Models, whose maker's roots
// its attestation leads to, and it cannot leave its device; otherwise B. Errors are refusals that say passkey_form.
func (s Site) Register(challenge []byte, r writ.Registration, now time.Time) (writ.Credential, error) {
	bad := func(what string) (writ.Credential, error) {
		return writ.Credential{}, &writ.Refusal{Code: writ.ReasonPasskeyForm, Kind: writ.ErrInvalid, Detail: what, Hint: "begin again: POST /v1/passkeys/begin"}
	}
	if len(r.Credential) == 0 || len(r.Credential) > writ.MaxCredentialID || len(r.ClientData) > writ.MaxClientData || len(r.Attestation) > writ.MaxAttestation {
		return bad(fmt.Sprintf("credential has 1 to %d bytes, client_data at most %d, attestation at most %d", writ.MaxCredentialID, writ.MaxClientData, writ.MaxAttestation))
	}
	raw := protocol.AuthenticatorAttestationResponse{AttestationObject: r.Attestation}
	raw.ClientDataJSON = r.ClientData
	parsed, err := raw.Parse()
	if err != nil {
		return bad("attestation or client_data cannot be read")
	}
	var parameters []protocol.CredentialParameter
	for _, a := range approval.Algorithms() {
		parameters = append(parameters, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(a)})
	}
	whole := protocol.ParsedCredentialCreationData{Response: *parsed, Raw: protocol.CredentialCreationResponse{AttestationResponse: raw}}
	whole.RawID = r.Credential
	// No cross origin, user present and verified; the zero policies are the strictest.
	if _, err := whole.Verify(text(challenge), s.RP, []string{s.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, nil, parameters, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return bad("it is not a passkey made for this challenge at " + s.Origin + ", with its user verified")
	}
	object := whole.Response.AttestationObject
	auth := object.AuthData
	model, ok := modelOf(auth.AttData.AAGUID)
	if !ok {
		return bad("it has no AAGUID")
	}
	c := writ.Credential{
		ID: bytes.Clone(auth.AttData.CredentialID), Key: bytes.Clone(auth.AttData.CredentialPublicKey), RP: s.RP, Origin: s.Origin, AAGUID: model,
		Level: writ.ProofB, Synced: auth.Flags.HasBackupEligible(), Counter: int64(auth.Counter), Since: now,
	}
	if !c.Synced && s.attested(model, object, now) {
		c.Level = writ.ProofA
	}
	switch {
	case auth.Flags.HasBackupState() && !c.Synced:
		return bad("it says backed up of a passkey that cannot be")
	case approval.CheckCredential(c) != nil:
		return bad("its key must be ES256, EdDSA or RS256 with 2048 bits, in canonical CBOR")
	}
	return c, nil
}

// modelOf writes an AAGUID as people do.
func modelOf(aaguid []byte) (string, bool) {
	if len(aaguid) != 16 {
		return "", false
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", aaguid[:4], aaguid[4:6], aaguid[6:8], aaguid[8:10], aaguid[10:]), true
}

// modelExtension is id-fido-gen-ce-aaguid (section 8.2.1): the model that a certificate is for.
var modelExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// attested reports whether a verified attestation leads to the roots of its model. Of the formats only packed counts, with
// certificates, the first of which names the model: go-webauthn has checked that it is the same model and signed.
func (s Site) attested(model string, object protocol.AttestationObject, now time.Time) bool {
	roots, known := s.Models[model]
	chain, ok := object.AttStatement["x5c"].([]any)
	if !known || object.Format != string(protocol.AttestationFormatPacked) || !ok || len(chain) == 0 {
		return false
	}
	between := x509.NewCertPool()
	var leaf *x509.Certificate
	for i, raw := range chain {
		der, ok := raw.([]byte)
		if !ok {
			return false
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return false
		}
		if i == 0 {
			leaf = c
		} else {
			between.AddCert(c)
		}
	}
	named := false
	for _, e := range leaf.Extensions {
		named = named || e.Id.Equal(modelExtension)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return named && err == nil
}
