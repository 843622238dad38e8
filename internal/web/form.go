package web

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// reason returns why, which every act wants: it stands beside the act for whoever reads the incident later.
func (f form) reason() (string, error) {
	s := strings.TrimSpace(f.Get("reason"))
	if s == "" {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "a reason is missing: one sentence for whoever reads this later", Hint: "go back and write it"}
	}
	return strings.ReplaceAll(s, "\r\n", "\n"), nil
}

// plain returns a word from a link's query, or nothing when it is none.
func plain(s string) string {
	if len(s) > 40 || strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
		return ""
	}
	return s
}

// more is the address of a list's next page.
func more(path, state, next string) string {
	if next == "" {
		return ""
	}
	q := url.Values{"cursor": {next}}
	if state != "" {
		q.Set("state", state)
	}
	return path + "?" + q.Encode()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
