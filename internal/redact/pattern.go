package redact

import (
	"regexp"
	"strings"
)

// A pattern finds one form of secret. secret is the number of the group that is removed, 0 for the whole match. If
// named, re finds only a name (group 1) and what binds a value to it; the value is looked at only behind a name that
// tells (Key), so that the time stays proportional to the text.
type pattern struct {
	re     *regexp.Regexp
	needs  string // what stands in every match: a text without it is not looked through
	secret int
	named  bool
	card   bool // only if its digits have the check digit of a payment card (ISO/IEC 7812-1, annex B)
	weak   bool // only if the match looks made by a machine: "basic authentication" is prose
}

// follows is a value behind its name: quoted, quoted inside quoted text, or up to the next separator.
var follows = regexp.MustCompile(`^(?:\\+"(?:[^"\\]|\\[^"])*\\+"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&"'}\])]+)`)

// patterns are applied in this order: the longest forms first, so that no part of one is left behind by another.
var patterns = []pattern{
	{needs: "PRIVATE KEY", re: regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)`)},
	{needs: "PRIVATE KEY", re: regexp.MustCompile(`(?:(?:\d{4}-[0-9T:.Z+-]{14,36}\s+)?[A-Za-z0-9+/=]{16,}(?:\s|\\[rn])+)+(?:\d{4}-[0-9T:.Z+-]{14,36}\s+)?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`)}, // its beginning was cut off; lines of a log have times
	{needs: "://", re: regexp.MustCompile(`\b(?:postgres|postgresql|mysql|mariadb|mongodb|mongodb\+srv|redis|rediss|amqp|amqps|sqlserver|clickhouse)://[^\s:/@"']*:([^\s"'<>]+)@`), secret: 1},
	{needs: "://", re: regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"']*:([^\s/?#"'<>]+)@`), secret: 1},
	{needs: "eyJ", re: regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){2,4}`)},
	{re: regexp.MustCompile(`(?i)\b(?:proxy-)?authorization\\*["']?\s*[:=]\s*\\*["']?((?:(?:bearer|basic|dpop|digest|negotiate|token|aws4-hmac-sha256)\s+)?[^\s"'\\][^\r\n"'\\]*)`), secret: 1},
	{re: regexp.MustCompile(`(?i)\b(?:set-)?cookie\\*["']?\s*:\s*\\*["']?([^\s"'\\][^\r\n"'\\]*)`), secret: 1},
	{re: regexp.MustCompile(`(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})`), secret: 1},
	{re: regexp.MustCompile(`(?i)\b(?:basic|dpop|token)\s+([A-Za-z0-9._~+/=-]{8,})`), secret: 1, weak: true},
	{re: regexp.MustCompile(`\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA|ACCA)[A-Z0-9]{16}\b`)},
	{re: regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,})`)},
	{re: regexp.MustCompile(`\b(?:AIza[0-9A-Za-z_-]{35}|[sr]k_(?:live|test)_[0-9A-Za-z]{10,}|sk-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}|hv[sbr]\.[A-Za-z0-9_-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|AGE-SECRET-KEY-1[0-9A-Z]{50,})`)},
	{needs: "@", re: regexp.MustCompile(`\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b`)}, // e-mail addresses: of people, as a rule
	{re: regexp.MustCompile(`\b(?:\d[ -]?){12,18}\d\b`), card: true},
	{needs: "'", re: regexp.MustCompile(`(?i)\b(?:identified by|password)\s+'([^']+)'`), secret: 1},
	{needs: `"value`, re: regexp.MustCompile(`\\*"name\\*"\s*:\s*\\*"([\w.-]+)\\*"\s*,\s*\\*"value\\*"\s*:\s*`), named: true},
	{re: regexp.MustCompile(`(?:^|[\s"'])--?([A-Za-z][\w-]*)\s+`), named: true},
	{re: regexp.MustCompile(`([A-Za-z][\w.-]*)\\*["']?\s*[:=]\s*`), named: true},
}

// apply replaces every match in s and adds their number to n.
func (p pattern) apply(s string, n *int) string {
	if !strings.Contains(s, p.needs) {
		return s
	}
	var b strings.Builder
	last := 0
	for last < len(s) {
		m := p.re.FindStringSubmatchIndex(s[last:])
		if m == nil {
			break
		}
		from, to, end := last+m[2*p.secret], last+m[2*p.secret+1], last+m[1]
		if p.named {
			from, to = end, end
			if Key(s[last+m[2] : last+m[3]]) {
				if v := follows.FindStringIndex(s[end:]); v != nil {
					to, end = end+v[1], end+v[1]
				}
			}
		}
		b.WriteString(s[last:from])
		if secret := s[from:to]; p.spare(secret) {
			b.WriteString(s[from:end])
		} else {
			b.WriteString(wrap(secret) + s[to:end])
			*n++
		}
		last = end
	}
	return b.String() + s[last:]
}

// spare reports whether what was found is no secret after all.
func (p pattern) spare(s string) bool {
	bare := strings.Trim(s, `\"'`)
	switch bare {
	case "", "true", "false", "null", "nil", "none", "{", "[":
		return true
	}
	if strings.HasPrefix(Mark, bare) {
		return true // removed already
	}
	if p.card {
		return !luhn(s)
	}
	return p.weak && strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' || r == '=' || r >= 'A' && r <= 'Z' }) < 0
}

// wrap keeps the quotes of a quoted secret, so that JSON stays JSON.
func wrap(secret string) string {
	bare := strings.TrimLeft(secret, `\`)
	if bare == "" || bare[0] != '"' && bare[0] != '\'' {
		return Mark
	}
	quote := secret[:len(secret)-len(bare)+1]
	return quote + Mark + quote
}
