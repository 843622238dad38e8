package canon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/canon"
)

func members(b string) (out []string, err error) {
	err = canon.Members([]byte(b), func(name, value []byte) error {
		out = append(out, fmt.Sprintf("%s=%s", name, value))
		return nil
	})
	return out, err
}

func TestAnObjectIsSplitIntoItsMembers(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`:                                     nil,
		" { \n} ":                                nil,
		`{"a":1,"b":"x"}`:                        {"a=1", `b="x"`},
		`{"a":{"b":[1,"]}"]}}`:                   {`a={"b":[1,"]}"]}`},
		`{"a":"\\","b":"\\\""}`:                  {`a="\\"`, `b="\\\""`},
		" { \"a\" : [ 1 , 2 ] , \"b\" : true } ": {"a=[ 1 , 2 ]", "b=true"},
	} {
		if got, err := members(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, bad := range []string{
		"", "[]", "1", `{"a":1`, `{"a":1}}`, `{"a":1} x`, `{"a":1,"a":2}`, `{"a" 1}`, `{a:1}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":"x}`, `{"a":[1}]}`, `{"a":1 2}`, "{\"\\u0061\":1}",
		`{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, "{" + strings.Repeat(`"x":1,`, 1) + `"x":1}`,
	} {
		if got, err := members(bad); !errors.Is(err, canon.ErrForm) {
			t.Errorf("%.60s: %q, %v", bad, got, err)
		}
	}
	var many []string
	for i := range canon.MaxMembers + 1 {
		many = append(many, fmt.Sprintf(`"m%d":1`, i))
	}
	if _, err := members("{" + strings.Join(many, ",") + "}"); !errors.Is(err, canon.ErrForm) {
		t.Errorf("too many members: %v", err)
	}
}

// FuzzMembersAreThoseOfTheParser: what is well-formed splits into what encoding/json sees, and what does not split is not.
func FuzzMembersAreThoseOfTheParser(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":{"c":[true,"\"}"]}}`, `{"a":"\\"}`, `[1,{"a":2}]`, ` {"x" : -1e5 } `, `{"a":1,"a":2}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want map[string]json.RawMessage
		ok := canon.Check([]byte(s)) == nil && json.Unmarshal([]byte(s), &want) == nil && want != nil
		got := map[string]string{}
		err := canon.Members([]byte(s), func(name, value []byte) error { got[string(name)] = string(value); return nil })
		if !ok {
			return // values are not looked into: it may split
		}
		for name := range want {
			if strings.ContainsAny(name, "\\\"") || len(want) > canon.MaxMembers {
				return
			}
		}
		if strings.Contains(s, "\\") && err != nil {
			return // a name with an escape
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %v, %v", s, got, err)
		}
		for name, v := range want {
			if strings.TrimSpace(string(v)) != got[name] {
				t.Fatalf("%q: member %q is %q, want %q", s, name, got[name], v)
			}
		}
		_ = canon.Elements([]byte(s), func([]byte) error { return nil })
	})
}
