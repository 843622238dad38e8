package kubernetes_test

import (
	"testing"

	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// Whatever differs between two objects, the patch from one to the other makes the other: nothing is lost, and fields
// and numbers that this program has never heard of stay as they are.
func TestAPatchMakesExactlyTheChange(t *testing.T) {
	t.Parallel()
	const before = `{"metadata":{"uid":"u","annotations":{"a/b~c":"1","gone":"x"}},"spec":{"list":[{"name":"x","big":12345678901234567890}],"deep":{"kept":1.10,"to":2},"null":null}}`
	for name, after := range map[string]string{
		"nothing":               before,
		"a member with / in it": `{"metadata":{"uid":"u","annotations":{"a/b~c":"2","gone":"x"}},"spec":{"list":[{"name":"x","big":12345678901234567890}],"deep":{"kept":1.10,"to":2},"null":null}}`,
		"removed and added":     `{"metadata":{"uid":"u","annotations":{"a/b~c":"1"}},"spec":{"list":[{"name":"x","big":12345678901234567890}],"deep":{"kept":1.10,"to":2,"new":{"x":[]}},"null":null}}`,
		"an element of a list":  `{"metadata":{"uid":"u","annotations":{"a/b~c":"1","gone":"x"}},"spec":{"list":[{"name":"x","big":12345678901234567891}],"deep":{"kept":1.10,"to":2},"null":null}}`,
		"another shape":         `{"metadata":{"uid":"u","annotations":{"a/b~c":"1","gone":"x"}},"spec":{"list":{"was":"a list"},"deep":[],"null":0}}`,
		"a whole part":          `{"metadata":{"uid":"u"}}`,
	} {
		got, err := kubernetes.PatchAndApply([]byte(before), []byte(after))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := kubernetes.Reencode([]byte(after)) // numbers as written, which cmp over floats would not see
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, want)
		}
	}
	if _, err := kubernetes.PatchAndApply([]byte(before), nil); err == nil {
		t.Error("nothing was taken for an object")
	}
}
