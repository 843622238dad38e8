package kubernetes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/redact"
)

// maxShown is how much of one value a diff shows, in characters.
const maxShown = 200

// diff lists field by field what a call changes, sorted by path, with secrets redacted. A nil after is a deletion.
func diff(k kind, before, after object) ([]writ.Change, error) {
	if after == nil {
		return []writ.Change{{Path: k.name, Before: writ.Printable(before.name(), maxShown)}}, nil
	}
	before, after = ours(k, before), ours(k, after)
	shownBefore, _ := redact.Value(map[string]any(before))
	shownAfter, _ := redact.Value(map[string]any(after))
	d := differ{}
	d.walk("", map[string]any(before), map[string]any(after), shownBefore, shownAfter)
	if len(d.out) > writ.MaxChanges {
		return nil, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("it changes more than %d fields", writ.MaxChanges))
	}
	slices.SortFunc(d.out, func(a, b writ.Change) int { return cmp.Compare(a.Path, b.Path) })
	return d.out, nil
}

// paths lists where two objects differ in what is not the target's own, sorted.
func paths(k kind, a, b object) []string {
	d := differ{}
	a, b = ours(k, a), ours(k, b)
	d.walk("", map[string]any(a), map[string]any(b), map[string]any(a), map[string]any(b))
	var out []string
	for _, c := range d.out {
		out = append(out, c.Path)
	}
	slices.Sort(out)
	return out
}

// A differ walks two values together with what may be shown of them, which has the same shape.
type differ struct{ out []writ.Change }

// absent stands for a field that one side does not have, which is not the same as one that is null.
type absent struct{}

func (d *differ) walk(path string, a, b, showA, showB any) {
	if reflect.DeepEqual(a, b) {
		return
	}
	if isMap(a, b) {
		ma, mb := asMap(a), asMap(b)
		keys := maps.Clone(ma)
		maps.Copy(keys, mb)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			d.walk(join(path, key), member(ma, key), member(mb, key), member(asMap(showA), key), member(asMap(showB), key))
		}
		return
	}
	if isList(a, b) {
		d.lists(path, a, b, showA, showB)
		return
	}
	if _, gone := b.(absent); gone && shape(a) {
		d.walk(path, a, empty(a), showA, empty(a))
		return
	}
	if _, fresh := a.(absent); fresh && shape(b) {
		d.walk(path, empty(b), b, empty(b), showB)
		return
	}
	d.out = append(d.out, writ.Change{Path: writ.Printable(path, maxShown), Before: show(showA), After: show(showB)})
}

// lists compares elements that have names by name, others by place.
func (d *differ) lists(path string, a, b, showA, showB any) {
	na, nb := keyed(a), keyed(b)
	sa, sb := asList(showA), asList(showB)
	if na == nil || nb == nil {
		la, lb := asList(a), asList(b)
		for i := range max(len(la), len(lb)) {
			d.walk(fmt.Sprintf("%s[%d]", path, i), element(la, i), element(lb, i), element(sa, i), element(sb, i))
		}
		return
	}
	la, lb := asList(a), asList(b)
	keys := maps.Clone(na)
	maps.Copy(keys, nb)
	common := func(in, other map[string]int) (order []string) {
		for _, k := range slices.SortedFunc(maps.Keys(in), func(x, y string) int { return cmp.Compare(in[x], in[y]) }) {
			if _, ok := other[k]; ok {
				order = append(order, k)
			}
		}
		return order
	}
	if x, y := common(na, nb), common(nb, na); !slices.Equal(x, y) {
		d.out = append(d.out, writ.Change{Path: path, Before: writ.Printable(fmt.Sprint("order ", x), maxShown), After: writ.Printable(fmt.Sprint("order ", y), maxShown)})
	}
	find := func(l []any, at map[string]int, key string) any {
		if i, ok := at[key]; ok {
			return element(l, i)
		}
		return absent{}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		d.walk(fmt.Sprintf("%s[%s]", path, key), find(la, na, key), find(lb, nb, key), find(sa, na, key), find(sb, nb, key))
	}
}

// keyed maps the names of a list's elements to their places; nil if not all have one name each.
func keyed(v any) map[string]int {
	l := asList(v)
	names := map[string]int{}
	for i, e := range l {
		name, _ := asMap(e)["name"].(string)
		if name == "" {
			return nil
		}
		names[name] = i
	}
	if len(names) != len(l) {
		return nil
	}
	return names
}

// shape reports whether v has fields of its own to list.
func shape(v any) bool { return len(asMap(v)) > 0 || len(asList(v)) > 0 }

// empty is the empty value of v's shape.
func empty(v any) any {
	if _, ok := v.([]any); ok {
		return []any{}
	}
	return map[string]any{}
}

func isMap(a, b any) bool  { _, x := a.(map[string]any); _, y := b.(map[string]any); return x && y }
func isList(a, b any) bool { _, x := a.([]any); _, y := b.([]any); return x && y }

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }
func asList(v any) []any         { l, _ := v.([]any); return l }

func member(m map[string]any, key string) any {
	if v, ok := m[key]; ok {
		return v
	}
	return absent{}
}

func element(l []any, i int) any {
	if i < len(l) {
		return l[i]
	}
	return absent{}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// show renders one value for people; a field that is absent is the empty string.
func show(v any) string {
	switch v := v.(type) {
	case absent:
		return ""
	case string:
		if v == "" {
			return `""`
		}
		return writ.Printable(v, maxShown)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return writ.Printable(string(b), maxShown)
}
