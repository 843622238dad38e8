package authn

import (
	"bytes"
	"encoding/json"
)

// repeats reports whether b is anything but one JSON object whose own member names are all different. Members of
// members are not looked at: no claim that is read here has any.
func repeats(b []byte) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return true
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || seen[name] {
			return true
		}
		seen[name] = true
		var skip json.RawMessage
		if d.Decode(&skip) != nil {
			return true
		}
	}
	_, err := d.Token()
	return err != nil || d.More()
}
