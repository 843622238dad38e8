package redact

import (
	"regexp"
	"strings"
)

// Borders of a private key, and a line of one: base64, perhaps behind a time or another word that was put before it.
var (
	border  = regexp.MustCompile(`-----(BEGIN|END) [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`)
	keyLine = regexp.MustCompile(`^\s*(?:\S{1,40}\s+)?[A-Za-z0-9+/=]{24,}\s*$`)
)

// parted reports whether v has one border of a private key in a string without the other: then its lines stand in other
// strings, rows of a table or elements of a list, none of which has a telling form by itself.
func parted(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if parted(e) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if parted(e) {
				return true
			}
		}
	case string:
		return strings.Contains(v, "PRIVATE KEY") && len(border.FindAllString(v, -1))%2 == 1
	}
	return false
}

// Unfinished returns s, which was cut at its end, without the word that it was cut in: the half of a token has no telling
// form any more.
func Unfinished(s string) string {
	return strings.TrimRightFunc(s, func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("+/=_.~-", r)
	})
}
