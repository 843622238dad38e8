package kubernetes

import (
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// maxBlamed is how many fields a conflict names in its sentence; all of them stand in Left.
const maxBlamed = 5

// blame says in one sentence what was changed since the call, by which manager and when, as the API server recorded.
func blame(at place, fields []string, done, now object) string {
	shown := fields
	if len(shown) > maxBlamed {
		shown = shown[:maxBlamed]
	}
	who := changer(fields, done, now)
	if who == "" {
		who = "somebody"
	}
	return writ.Printable(fmt.Sprintf("%s was changed by %s: %s", at, who, strings.Join(shown, ", ")), 400)
}

// changer names the manager of the changed fields. Who removed a field is not recorded; then it is whoever wrote
// last, apart from status and from Writ.
func changer(fields []string, done, now object) string {
	was := map[string]string{}
	for _, m := range objects(done.list("metadata", "managedFields")) {
		was[m.str("manager")+"/"+m.str("operation")+"/"+m.str("subresource")] = m.str("time")
	}
	best, owns := object(nil), false
	for _, m := range objects(now.list("metadata", "managedFields")) {
		key := m.str("manager") + "/" + m.str("operation") + "/" + m.str("subresource")
		if m.str("subresource") != "" || m.str("manager") == fieldManager {
			continue
		}
		has := false
		for _, f := range fields {
			has = has || covers(m.sub("fieldsV1"), f)
		}
		fresh := was[key] != m.str("time")
		if !has && !fresh {
			continue
		}
		// RFC 3339 in UTC sorts as text.
		if best == nil || has && !owns || has == owns && m.str("time") > best.str("time") {
			best, owns = m, has
		}
	}
	if best == nil {
		return ""
	}
	return fmt.Sprintf("%s at %s", writ.Printable(best.str("manager"), 60), writ.Printable(best.str("time"), 40))
}

// covers reports whether a set of managed fields holds path, as far down as the set goes.
func covers(set object, path string) bool {
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	for len(steps) > 0 {
		if len(set) == 0 {
			return true
		}
		next, used := object(nil), 0
		for key := range set {
			var n int
			switch {
			case strings.HasPrefix(key, "f:"):
				n = prefixed(steps, strings.TrimPrefix(key, "f:"))
			case strings.HasPrefix(key, "k:") && strings.Contains(key, `"name":"`+steps[0]+`"`):
				n = 1
			}
			if n > used {
				next, used = set.sub(key), n
			}
		}
		if used == 0 {
			return false
		}
		set, steps = next, steps[used:]
	}
	return true
}

// prefixed is how many steps spell name, which may contain dots itself.
func prefixed(steps []string, name string) int {
	for n := 1; n <= len(steps); n++ {
		if strings.Join(steps[:n], ".") == name {
			return n
		}
	}
	return 0
}
