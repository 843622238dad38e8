package authn

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// skew is how far an issuer's clock may be ahead of ours.
const skew = 5 * time.Second

// A jwt is a token taken apart and not yet believed: its claims choose the issuer whose keys must have signed it.
type jwt struct {
	raw                string
	typ, alg, kid, iss string // iss is empty if there is none
	claims             map[string]json.RawMessage
}

// refusedHeaders would let a token bring its own key or demand what is not understood (RFC 7515 section 4.1).
var refusedHeaders = []string{"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"}

// tokenTypes are the typ values of ID tokens and access tokens (RFC 7519 section 5.1, RFC 9068 section 2.1), in lower
// case. Others, such as DPoP proofs, are signed by the same keys for another purpose.
var tokenTypes = []string{"", "jwt", "at+jwt", "application/at+jwt"}

// parseJWT takes compact serialization only (RFC 7515 section 7.1).
func parseJWT(raw string) (jwt, bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || parts[2] == "" {
		return jwt{}, false
	}
	header, ok := members(parts[0])
	if !ok {
		return jwt{}, false
	}
	for _, name := range refusedHeaders {
		if _, there := header[name]; there {
			return jwt{}, false
		}
	}
	t := jwt{raw: raw}
	if t.claims, ok = members(parts[1]); !ok {
		return jwt{}, false
	}
	if _, there := header["typ"]; there && !read(header, "typ", &t.typ) {
		return jwt{}, false
	}
	if t.typ = strings.ToLower(t.typ); !slices.Contains(tokenTypes, t.typ) {
		return jwt{}, false
	}
	if _, there := t.claims["iss"]; there && (!read(t.claims, "iss", &t.iss) || t.iss == "") {
		return jwt{}, false
	}
	ok = read(header, "alg", &t.alg) && read(header, "kid", &t.kid)
	return t, ok && t.kid != ""
}

// members decodes one part of a token as a JSON object without repeated names. The names are kept as they are written:
// encoding/json would also take "Sub" for sub, and some issuers let people choose names of further claims.
func members(part string) (map[string]json.RawMessage, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || repeats(b) {
		return nil, false
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(b, &m) == nil && m != nil
}

// read decodes the member with exactly this name. A null is not a value.
func read(m map[string]json.RawMessage, name string, to any) bool {
	raw, ok := m[name]
	return ok && string(raw) != "null" && json.Unmarshal(raw, to) == nil
}

// current demands exp and iat, and nbf to have come if it is there (RFC 7519 section 4.1). It returns exp.
func (t jwt) current(now time.Time, maxLife time.Duration) (exp time.Time, err error) {
	exp, ok := instant(t.claims, "exp")
	if !ok || !now.Before(exp) {
		return exp, refuse(CodeExpired)
	}
	iat, ok := instant(t.claims, "iat")
	if !ok || iat.After(now.Add(skew)) {
		return exp, refuse(CodeNotYet)
	}
	if _, there := t.claims["nbf"]; there {
		if nbf, ok := instant(t.claims, "nbf"); !ok || nbf.After(now.Add(skew)) {
			return exp, refuse(CodeNotYet)
		}
	}
	if maxLife > 0 && exp.Sub(iat) > maxLife {
		return exp, refuse(CodeLife)
	}
	return exp, nil
}

// isFor demands exactly one audience, ours, as a string or a list of one. A token for two services would let the other
// one speak here in its owner's name.
func (t jwt) isFor(audience string) bool {
	var one string
	if read(t.claims, "aud", &one) {
		return one == audience
	}
	var list []string
	return read(t.claims, "aud", &list) && len(list) == 1 && list[0] == audience
}

// instant reads a NumericDate (RFC 7519 section 2); a fraction is cut off.
func instant(claims map[string]json.RawMessage, name string) (time.Time, bool) {
	var seconds float64
	if !read(claims, name, &seconds) || seconds < 1 || seconds > canon.MaxInt {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// text reads a claim that is a text of at most max bytes without control, bidirectional or invisible characters.
func (t jwt) text(name string, max int) (string, bool) {
	var s string
	ok := read(t.claims, name, &s)
	return s, ok && s != "" && len(s) <= max && strings.TrimSpace(s) == s && writ.Printable(s, max) == s
}

// maxSubject is the longest subject that OpenID Connect Core 1.0 section 2 allows.
const maxSubject = 255

// plain reports whether a subject shows as what it is: no control, bidirectional or invisible characters, and no space
// at its ends.
func plain(sub string) bool {
	return sub != "" && len(sub) <= maxSubject && strings.TrimSpace(sub) == sub && writ.Printable(sub, maxSubject) == sub
}
