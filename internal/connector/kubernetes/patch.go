package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// patchType is the media type of a JSON Patch (RFC 6902).
const patchType = "application/json-patch+json"

// Operations of a JSON Patch that a call consists of.
const (
	opTest    = "test"
	opAdd     = "add"
	opReplace = "replace"
	opRemove  = "remove"
)

// patch returns the JSON Patch that turns before into after. The API server applies it as a whole or not at all: it first
// tests that the object is the one of the plan, that nobody has changed its spec since (generation), and that every field
// to be changed still has the value that the plan shows. What controllers write into status all the time does not
// matter, so an approved call stays good while its workload restarts; and a field that the call does not change is not
// in it, so it overwrites nothing of anybody's.
func patch(before, after object) ([]byte, error) {
	ops := []any{test("/metadata/uid", before.uid())}
	if g := before.at("metadata", "generation"); g != nil {
		ops = append(ops, test("/metadata/generation", g))
	}
	ops = walk(ops, "", before, after)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(ops); err != nil {
		return nil, fmt.Errorf("%w: patch: %v", writ.ErrInvalid, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// walk appends what differs between two objects below path. Lists are taken as a whole: their elements have no name
// that a patch could hold on to.
func walk(ops []any, path string, a, b map[string]any) []any {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		at := path + "/" + pointer.Replace(key)
		was, had := a[key]
		is, has := b[key]
		switch {
		case had && has && reflect.DeepEqual(was, is):
		case had && has && isMap(was, is):
			ops = walk(ops, at, asMap(was), asMap(is))
		case had && has:
			ops = append(ops, test(at, was), map[string]any{"op": opReplace, "path": at, "value": is})
		case had:
			ops = append(ops, test(at, was), map[string]any{"op": opRemove, "path": at})
		default:
			ops = append(ops, test(at, nil), map[string]any{"op": opAdd, "path": at, "value": is})
		}
	}
	return ops
}

// test is the operation that demands a value; nil stands for a field that is not there.
func test(path string, value any) map[string]any {
	return map[string]any{"op": opTest, "path": path, "value": value}
}

// pointer escapes a member's name in a JSON Pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// unpointer takes the escapes out again, in the order that RFC 6901 demands.
var unpointer = strings.NewReplacer("~1", "/", "~0", "~")

// patched applies a patch that patch made. Its tests are the API server's to make; here it says what a call would leave.
func patched(before object, body []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var ops []struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	if err := d.Decode(&ops); err != nil {
		return nil, fmt.Errorf("%w: the call's body is not a JSON Patch", writ.ErrInvalid)
	}
	o := before.clone()
	for _, op := range ops {
		var at []string
		for _, key := range strings.Split(strings.TrimPrefix(op.Path, "/"), "/") {
			at = append(at, unpointer.Replace(key))
		}
		switch op.Op {
		case opTest:
		case opAdd, opReplace:
			o.set(op.Value, at...)
		case opRemove:
			o.drop(at...)
		default:
			return nil, fmt.Errorf("%w: the call's body has the operation %q", writ.ErrInvalid, writ.Printable(op.Op, 20))
		}
	}
	return o, nil
}
