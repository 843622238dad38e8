package token

import (
	"encoding/json"
	"errors"
)

// A Code names why a token was refused, for the operators' log and nobody else. Codes never change their meaning.
type Code string

const (
	CodeSize          Code = "token_size"      // longer than MaxSize
	CodeForm          Code = "token_form"      // not a compact JWS with exactly alg, kid and typ
	CodeAlgorithm     Code = "algorithm"       // not ES256: none, HS256 keyed with a public key, or another
	CodeHeaderKey     Code = "header_key"      // the header brings a key or says where one is: jwk, jku, x5u, x5c
	CodeCritical      Code = "header_critical" // the header demands what is not understood: crit, b64
	CodeType          Code = "token_type"      // signed for another purpose: an ID token, a proof, a hand-off
	CodeKeyUnknown    Code = "key_unknown"     // no known key has this id
	CodeSignature     Code = "signature"       // the key did not sign this
	CodeClaims        Code = "token_claims"    // signed, but not of the closed form
	CodeExpiryMissing Code = "expiry_missing"  // no exp
	CodeIssuedMissing Code = "issued_missing"  // no iat
	CodeIssuer        Code = "issuer"          // another issuer
	CodeAudience      Code = "audience"        // not exactly one audience, ours
	CodeExpired       Code = "expired"         // exp has come
	CodeNotYet        Code = "not_yet"         // iat lies ahead
	CodeLife          Code = "life"            // good for longer than its kind of token may be
)

// A Fault is one refusal of a token. It wraps ErrHeader, ErrSignature or ErrForm, and its text never holds a part of
// the token.
type Fault struct {
	Code Code
	kind error
	what string
}

func (f *Fault) Error() string { return f.kind.Error() + ": " + f.what }

func (f *Fault) Unwrap() error { return f.kind }

// CodeOf returns the code of the Fault in err's chain, or "".
func CodeOf(err error) Code {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Code
	}
	return ""
}

func badHeader(code Code, what string) error { return &Fault{code, ErrHeader, what} }

func badClaims(code Code, what string) error { return &Fault{code, ErrForm, what} }

// unwanted are the header members that have a code of their own (RFC 7515 section 4.1).
var unwanted = []struct {
	name string
	code Code
}{
	{"jwk", CodeHeaderKey}, {"jku", CodeHeaderKey}, {"x5u", CodeHeaderKey}, {"x5c", CodeHeaderKey},
	{"crit", CodeCritical}, {"b64", CodeCritical},
}

// headerFault says what is wrong with a header that is not of the closed form. Nothing in it is believed.
func headerFault(head []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(head, &members) == nil {
		var alg string
		if json.Unmarshal(members["alg"], &alg) == nil && alg != string(algorithm) {
			return badHeader(CodeAlgorithm, "the algorithm must be "+string(algorithm))
		}
		for _, u := range unwanted {
			if _, there := members[u.name]; there {
				return badHeader(u.code, "it has the member "+u.name)
			}
		}
	}
	return badHeader(CodeForm, "not exactly alg, kid and typ")
}
