package redact

import (
	"slices"
	"strings"
	"unicode"
)

// telling are parts of a name that say its value is a secret.
var telling = []string{
	"password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "apikey", "accesskey", "privatekey", "signingkey",
	"encryptionkey", "masterkey", "sshkey", "sharedkey", "storagekey", "accountkey", "authorization", "credential", "cookie", "signature", "bearer",
}

// harmless are the last words of names that only point at a secret or describe one: secretName, token_ttl.
var harmless = []string{
	"name", "names", "file", "filename", "path", "dir", "mount", "ref", "count", "length", "len", "size", "limit", "ttl", "expiry",
	"expires", "seconds", "policy", "type", "version", "enabled", "required", "min", "max", "age", "at", "tokens", "tokenizer", "url", "uri",
	"endpoint", "provider", "store", "id", "audience", "issuer", "bucket",
}

// Key reports whether a value under this name is a secret.
func Key(name string) bool {
	words := split(name)
	for len(words) > 0 && strings.Trim(words[len(words)-1], "0123456789") == "" {
		words = words[:len(words)-1] // PASSWORD_2
	}
	if len(words) == 0 {
		return false
	}
	if slices.Contains(harmless, words[len(words)-1]) {
		return false
	}
	joined := strings.Join(words, "")
	if joined == "auth" || joined == "pass" || words[len(words)-1] == "pass" {
		return true
	}
	return slices.ContainsFunc(telling, func(t string) bool { return strings.Contains(joined, t) })
}

// split cuts a name into lower-case words at punctuation and at the humps of camelCase.
func split(name string) []string {
	var words []string
	var w []rune
	end := func() {
		if len(w) > 0 {
			words = append(words, strings.ToLower(string(w)))
		}
		w = nil
	}
	var last rune
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case unicode.IsUpper(r) && unicode.IsLower(last):
			end()
			w = append(w, r)
		default:
			w = append(w, r)
		}
		last = r
	}
	end()
	return words
}
