package client

import (
	"net/http"
	"strings"
	"sync/atomic"
)

const (
	// headerNonce carries the server's nonce for the next proofs (RFC 9449 sections 8 and 9).
	headerNonce = "DPoP-Nonce"
	// errNonce is what a server calls its question for one.
	errNonce = "use_dpop_nonce"
	// maxNonce bounds one, in bytes: a server's time and a tag, with room.
	maxNonce = 256
)

// A keptNonce is the newest nonce that the server gave, for the proofs of the next calls. It is safe for concurrent use.
type keptNonce struct{ p atomic.Pointer[string] }

func (k *keptNonce) get() string {
	if s := k.p.Load(); s != nil {
		return *s
	}
	return ""
}

// forget drops a nonce that did not help, unless another has come meanwhile. A server that gives nonces gives another.
func (k *keptNonce) forget(nonce string) {
	if s := k.p.Load(); s != nil && *s == nonce {
		k.p.CompareAndSwap(s, nil)
	}
}

// take keeps the nonce of an answer, and reports whether there was one.
func (k *keptNonce) take(resp *http.Response) bool {
	all := resp.Header.Values(headerNonce)
	if len(all) != 1 || !isNonce(all[0]) {
		return false
	}
	k.p.Store(&all[0])
	return true
}

// isNonce reports whether s is of the characters of a nonce (RFC 9449 section 8.1: NQCHAR of RFC 6749).
func isNonce(s string) bool {
	if s == "" || len(s) > maxNonce {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool { return c < 0x21 || c > 0x7e || c == '"' || c == '\\' }) < 0
}

// wantsNonce reports whether a resource refused a call for want of a nonce alone (RFC 9449 section 9).
func wantsNonce(resp *http.Response) bool {
	if resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	for _, v := range resp.Header.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(v, " ")
		if strings.EqualFold(scheme, "DPoP") && strings.Contains(rest, `error="`+errNonce+`"`) {
			return true
		}
	}
	return false
}
