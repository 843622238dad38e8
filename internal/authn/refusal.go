package authn

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/writ-dev/writ"
)

// A Code names why a credential was refused. Codes never change their meaning. They go to the operators' log and nowhere
// else: a caller who could tell them apart would learn which part of a forged credential is already right.
type Code string

const (
	CodeCredentialMissing Code = "credential_missing" // no Authorization header of the form Bearer, or more than one
	CodeDevKey            Code = "dev_key"            // no such development key
	CodeTokenForm         Code = "token_form"         // not a compact JWS with the headers that are taken
	CodeIssuerUnknown     Code = "issuer_unknown"     // no issuer of this name is configured
	CodeAlgorithm         Code = "algorithm"          // not one of those pinned for the issuer
	CodeKeyUnknown        Code = "key_unknown"        // the issuer has no key of this id
	CodeSignature         Code = "signature"          // the key did not sign this
	CodeAudience          Code = "audience"           // not exactly one audience, ours
	CodeExpired           Code = "expired"            // exp has come, or is missing
	CodeNotYet            Code = "not_yet"            // iat or nbf lies ahead, or iat is missing
	CodeLife              Code = "life"               // good for longer than its kind of token may be
	CodeSubject           Code = "subject"            // no subject, or one that does not show as what it is
	CodeWorkloadUnknown   Code = "workload_unknown"   // genuine, but no configured workload has these claims
	CodeProofMissing      Code = "proof_missing"      // no DPoP proof came with a token that needs one
	CodeProof             Code = "proof"              // the proof does not fit the request
	CodeProofReplayed     Code = "proof_replayed"     // the proof was used before
	CodeProofNonce        Code = "proof_nonce"        // the proof fits, and needs a nonce of this server's
	CodeHolder            Code = "holder"             // the token was first used with another key
	CodeReplayed          Code = "token_replayed"     // the token was used before
	CodeReviewRefused     Code = "review_refused"     // the cluster's TokenReview does not know the token
	CodeReviewUnavailable Code = "review_unavailable" // TokenReview could not be asked
	CodeMemory            Code = "memory_unavailable" // what was used before could not be looked up
	CodeCertificate       Code = "certificate"        // no client certificate, or one that no current bundle vouches for
	CodeSPIFFEID          Code = "spiffe_id"          // a genuine SVID of an identity that is not configured
	CodeBundle            Code = "bundle_unavailable" // there is no bundle of the trust domain
	CodeTokenSize         Code = "token_size"         // longer than a token may be
	CodeScheme            Code = "scheme"             // a token bound to a key as Bearer, or one bound to a certificate as DPoP
	CodeRevoked           Code = "revoked"            // a control-plane token that was taken back
	CodeExchange          Code = "exchange"           // an agent's platform credential where only control-plane tokens are taken
	CodeKind              Code = "kind"               // genuine, of a kind of principal that gets no control-plane tokens
	CodeSession           Code = "session_unknown"    // no such session, or one that was ended
	CodeSessionExpired    Code = "session_expired"    // the session was too old, or idle for too long
	CodeLoginState        Code = "login_state"        // a callback that no login of this browser began
	CodeLoginCode         Code = "login_code"         // the issuer gave no ID token for the code
	CodeLoginNonce        Code = "login_nonce"        // the ID token belongs to another login
	CodeGroups            Code = "groups"             // the claim of a person's groups is missing, unreadable or names too many
	CodeLoginIssuer       Code = "login_issuer"       // the callback names another issuer (RFC 9207)
)

// Control-plane tokens are refused under the codes of package token, too.

// A refused is one refusal with its code. Its text never holds a part of the credential.
type refused struct {
	code   Code
	issuer string // configured, or of a verified token; "" for none
	cause  error  // of our own making, such as a store that is down; may be nil
	nonce  string // of CodeProofNonce: the one to come again with
}

func (r *refused) Error() string { return "refused: " + string(r.code) }

func refuse(code Code) error { return &refused{code: code} }

func refuseBecause(code Code, cause error) error { return &refused{code: code, cause: cause} }

// from names the issuer in a refusal that has none yet.
func from(issuer string, err error) error {
	if r, ok := errors.AsType[*refused](err); ok && r.issuer == "" {
		r.issuer = issuer
	}
	return err
}

// CodeOf returns the code of a refusal, or "" for any other error.
func CodeOf(err error) Code {
	if r, ok := errors.AsType[*refused](err); ok {
		return r.code
	}
	return ""
}

const (
	// refusalWindow and refusalLines bound what strangers can write into the log: ten lines of each code a minute
	// are enough to see an attack or a mistake, and further ones are counted.
	refusalWindow = time.Minute
	refusalLines  = 10
)

// refusals writes refusals to the operators' log. The zero value with a clock is ready.
type refusals struct {
	log *slog.Logger // may be nil
	now func() time.Time

	mu   sync.Mutex // guards seen
	seen map[Code]*refusalCount
}

type refusalCount struct {
	since       time.Time
	lines, kept int // written and held back since then
}

// nonceOf returns the nonce that a refusal asks for, or "".
func nonceOf(err error) string {
	if r, ok := errors.AsType[*refused](err); ok {
		return r.nonce
	}
	return ""
}

// tell logs why a request was refused. A request without any credential is not worth a line, since every probe is one, and
// neither is the first half of a question for a nonce.
func (l *refusals) tell(ctx context.Context, r *http.Request, err error) {
	why, ok := errors.AsType[*refused](err)
	if l.log == nil || !ok || why.code == CodeCredentialMissing || why.code == CodeProofNonce {
		return
	}
	held, write := l.count(why.code)
	if !write {
		return
	}
	args := []any{"code", string(why.code), "from", writ.Printable(r.RemoteAddr, 60)}
	if why.issuer != "" {
		args = append(args, "issuer", writ.Printable(why.issuer, 200))
	}
	if why.cause != nil {
		args = append(args, "cause", writ.Printable(why.cause.Error(), 300))
	}
	if held > 0 {
		args = append(args, "more", held)
	}
	l.log.WarnContext(ctx, "a credential was refused", args...)
}

// count reports whether a line may be written now, and how many were held back in the window before.
func (l *refusals) count(code Code) (held int, write bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[Code]*refusalCount{}
	}
	now := l.now()
	c := l.seen[code]
	if c == nil || now.Sub(c.since) >= refusalWindow {
		if c != nil {
			held = c.kept
		}
		l.seen[code] = &refusalCount{since: now, lines: 1}
		return held, true
	}
	if c.lines >= refusalLines {
		c.kept++
		return 0, false
	}
	c.lines++
	return 0, true
}
