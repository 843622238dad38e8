// Package redact takes secrets out of text and of decoded JSON before anyone reads it: evidence, diffs, errors.
//
// It knows secrets by the name they stand under (password, token, api key …) and by their own form (bearer tokens,
// JWTs, private keys, keys of well-known issuers, passwords in connection strings). It rather removes too much than
// too little; a secret without a telling name or form stays, so nothing that is known to hold secrets (a Kubernetes
// Secret, an environment file) may be read in the first place.
package redact

// Mark stands where a secret stood.
const Mark = "[redacted]"

// Text returns s without the secrets it knows, and how many it removed. Text that was redacted before stays as it is.
func Text(s string) (string, int) {
	n := 0
	for _, p := range patterns {
		s = p.apply(s, &n)
	}
	return s, n
}

// Value returns a copy of v, which is JSON as encoding/json decodes it into any, without the secrets it knows, and
// how many it removed. Besides what Text finds in each string, it removes whatever stands under a key that names a
// secret, and the value of a {"name": …, "value": …} pair whose name does, which is how environments are written. Of a
// private key whose lines stand in several strings it removes each line; so give it all rows at once.
func Value(v any) (any, int) {
	n := 0
	return value(v, parted(v), &n), n
}

func value(v any, key bool, n *int) any {
	switch v := v.(type) {
	case map[string]any:
		name, _ := v["name"].(string)
		out := make(map[string]any, len(v))
		for k, e := range v {
			if (Key(k) || k == "value" && Key(name)) && scalar(e) {
				out[k] = Mark
				if e != Mark {
					*n++
				}
				continue
			}
			out[k] = value(e, key, n)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = value(e, key, n)
		}
		return out
	case string:
		if key && keyLine.MatchString(v) {
			*n++
			return Mark
		}
		s, found := Text(v)
		*n += found
		return s
	}
	return v
}

// scalar reports whether v can itself be a secret. Under a telling key a truth value, nothing, an object or a list is
// a setting; what an object or list holds is looked at on its own.
func scalar(v any) bool {
	switch v := v.(type) {
	case nil, bool, map[string]any, []any:
		return false
	case string:
		return v != ""
	}
	return true
}
