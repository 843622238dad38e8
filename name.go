package writ

import (
	"fmt"
	"strings"
)

// maxLabel is the length of a DNS label (RFC 1123 section 2.1), which Kubernetes and service catalogues share.
const maxLabel = 63

// isLabel reports whether s is a DNS label: lower-case letters, digits and inner hyphens.
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// IsName reports whether s may name an object, a service, a playbook, a parameter or a team: a DNS subdomain, with
// underscores allowed inside. Nothing that an interpreter, a URL path or a terminal gives a meaning to.
func IsName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if !isLabel(strings.ReplaceAll(part, "_", "-")) {
			return false
		}
	}
	return true
}

// An OperationName is <plane>/<noun>.<verb>, for example kubernetes/workload.rollback.
type OperationName string

// ParseOperationName is the only way in from text.
func ParseOperationName(s string) (OperationName, error) {
	plane, rest, ok := strings.Cut(s, "/")
	noun, verb, dotted := strings.Cut(rest, ".")
	if !ok || !dotted || !isLabel(plane) || !IsName(noun) || !IsName(verb) || strings.Contains(verb, ".") {
		return "", fmt.Errorf("%w: a name of this kind is <plane>/<noun>.<verb>, such as kubernetes/workload.rollback", ErrInvalid)
	}
	return OperationName(s), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *OperationName) UnmarshalText(b []byte) error {
	v, err := ParseOperationName(string(b))
	if err == nil {
		*n = v
	}
	return err
}

// Plane returns the part before the slash.
func (n OperationName) Plane() string { p, _, _ := strings.Cut(string(n), "/"); return p }

// A Location names one object of one target by its path: <plane>://<target>/<segment>/<segment>…
// For Kubernetes: kubernetes://prod-eu1/<namespace>/<kind>/<name>, with _cluster as the namespace of cluster-scoped
// objects. For HTTP targets: httpapi://<target>/<resource>/<id>.
type Location string

// ParseLocation is the only way in from text. Each segment is a name (IsName) or _cluster.
func ParseLocation(s string) (Location, error) {
	plane, rest, ok := strings.Cut(s, "://")
	parts := strings.Split(rest, "/")
	if !ok || !isLabel(plane) || len(parts) > maxSegments || !isLabel(parts[0]) {
		return "", fmt.Errorf("%w: a location is <plane>://<target>/<segment>/…", ErrInvalid)
	}
	for _, p := range parts[1:] {
		if !IsName(p) && p != ClusterScope {
			return "", fmt.Errorf("%w: location segment %q is not a plain name", ErrInvalid, Printable(p, 40))
		}
	}
	return Location(s), nil
}

// ClusterScope stands in a Kubernetes location where a namespace would, for objects that have none.
const ClusterScope = "_cluster"

const maxSegments = 8

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Location) UnmarshalText(b []byte) error {
	v, err := ParseLocation(string(b))
	if err == nil {
		*l = v
	}
	return err
}

// Plane returns the part before "://".
func (l Location) Plane() string { p, _, _ := strings.Cut(string(l), "://"); return p }

// Target returns plane and target without the path: "kubernetes://prod-eu1".
func (l Location) Target() Location {
	plane, rest, _ := strings.Cut(string(l), "://")
	target, _, _ := strings.Cut(rest, "/")
	return Location(plane + "://" + target)
}

// Segments returns the path after the target.
func (l Location) Segments() []string {
	_, rest, _ := strings.Cut(string(l), "://")
	return strings.Split(rest, "/")[1:]
}

// Within reports whether l is prefix itself or lies below it, compared by whole segments: …/shop does not cover
// …/shopping.
func (l Location) Within(prefix Location) bool {
	return prefix != "" && (l == prefix || strings.HasPrefix(string(l), string(prefix)+"/"))
}

// Printable returns s with control, bidirectional and invisible characters shown as escapes, cut to at most limit
// runes: for errors, logs and terminals. It is how untrusted text is shown everywhere.
func Printable(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == limit {
			b.WriteString("…")
			break
		}
		n++
		if hidden(r) {
			fmt.Fprintf(&b, "\\u{%x}", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden reports whether a reader would not see r, or would see it change the text around it (Unicode TR 36, TR 39).
func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xad, r == 0x61c, r == 0x180e, r == 0xfeff, r == 0xfffd:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0000 && r <= 0xe0fff, r >= 0x3164 && r <= 0x3164, r >= 0x115f && r <= 0x1160:
		return true
	}
	return false
}
