package httpapi_test

import (
	"encoding/json"
	"slices"
	"testing"
)

// without removes a parameter from the POST of a path.
func without(t *testing.T, document []byte, path, name string) []byte {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	post := d["paths"].(map[string]any)[path].(map[string]any)["post"].(map[string]any)
	post["parameters"] = slices.DeleteFunc(post["parameters"].([]any), func(p any) bool { return p.(map[string]any)["name"] == name })
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
