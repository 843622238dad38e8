package api_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

var (
	hex32 = strings.Repeat("0a", 32)
	pinOf = map[string]string{"name": `"kube__list_pods"`, "digest": `"sha256:` + hex32 + `"`, "read": `true`, "reason": `"it reads"`}
	offOf = map[string]string{"name": `"kube__list_pods"`, "reason": `"it looks wrong"`}
)

// bodyOf is an object of members, some of them changed: "" leaves one out.
func bodyOf(members map[string]string, change map[string]string) string {
	all := map[string]string{}
	for name, v := range members {
		all[name] = v
	}
	for name, v := range change {
		all[name] = v
	}
	var out []string
	for name, v := range all {
		if v != "" {
			out = append(out, `"`+name+`":`+v)
		}
	}
	return "{" + strings.Join(out, ",") + "}"
}

// A wrong member of a call that approves a tool or turns one off is named, whether the call has a key or not, and nothing is reached.
func TestAWrongMemberOfAPinIsNamedAndChangesNothing(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	common := map[string]map[string][]string{
		"name": {
			"missing": {""}, "empty": {`""`}, "of a wrong type": {`7`, `true`, `["kube__list_pods"]`, `{}`, `null`}, "too long": {long(65), `"kube__` + strings.Repeat("x", 59) + `"`},
			"of no upstream": {`"list_pods"`, `"__list_pods"`, `"kube__"`, `"kube_list_pods"`}, "in capitals": {`"Kube__list_pods"`, `"kube__listPods"`},
			"an upstream's too long": {`"` + strings.Repeat("k", 25) + `__x"`}, "with hidden text": {`"kube__list\u200bpods"`, `"kube__list\npods"`, `"kube__../pods"`},
		},
		"reason": {"missing": {""}, "empty": {`""`}, "of a wrong type": {`7`, `null`, `{}`}, "too long": {long(4097)}},
	}
	pin := map[string]map[string][]string{
		"digest": {
			"missing": {""}, "empty": {`""`}, "of a wrong type": {`7`, `null`, `["sha256:` + hex32 + `"]`}, "too long": {long(81), `"sha256:` + hex32 + `0a"`}, "too short": {`"sha256:` + hex32[2:] + `"`},
			"bare": {`"` + hex32 + `"`}, "of another form": {`"sha256-` + hex32 + `"`, `"sha512:` + hex32 + `"`, `"hmac-sha256:` + hex32 + `"`, `"SHA256:` + hex32 + `"`}, "in capitals": {`"sha256:` + strings.ToUpper(hex32) + `"`},
			"no digits": {`"sha256:` + strings.Repeat("0g", 32) + `"`}, "of nothing": {`"sha256:` + strings.Repeat("00", 32) + `"`},
		},
		"read":     {"missing": {""}, "of a wrong type": {`"true"`, `1`, `null`}},
		"declared": {"of a wrong type": {`"true"`, `1`, `null`}},
	}
	for _, x := range []struct {
		path  string
		good  map[string]string
		wrong []map[string]map[string][]string
	}{{"/v1/upstreams/pin", pinOf, []map[string]map[string][]string{common, pin}}, {"/v1/upstreams/unpin", offOf, []map[string]map[string][]string{common}}} {
		f := &fake{}
		h := handler(t, f)
		for _, members := range x.wrong {
			for member, cases := range members {
				for what, values := range cases {
					for _, v := range values {
						body := bodyOf(x.good, map[string]string{member: v})
						for _, headers := range [][]string{nil, {key}} {
							p := wantProblem(t, request(h, "human", "POST", x.path, body, headers...), 422, writ.ReasonForm)
							if !strings.Contains(p.Detail, member) || p.Retry != "never" {
								t.Errorf("%s: %s, %s: %q, %s", x.path, member, what, p.Detail, p.Retry)
							}
						}
					}
				}
			}
		}
		good := bodyOf(x.good, nil)
		for name, body := range map[string]string{"a member more": bodyOf(x.good, map[string]string{"team": `"checkout"`}), "another's case": strings.Replace(good, `"reason"`, `"Reason"`, 1), "no object": `[]`, "two": good + good, "a member twice": strings.Replace(good, "{", `{"reason":"x",`, 1)} {
			wantProblem(t, request(h, "human", "POST", x.path, body), 422, writ.ReasonForm)
			if len(f.Calls()) > 0 {
				t.Fatalf("%s: %s: the control plane was reached: %v", x.path, name, f.Calls())
			}
		}
		wantProblem(t, request(h, "", "POST", x.path, good), 401, writ.ReasonUnauthenticated)
		if len(f.Calls()) > 0 {
			t.Errorf("%s: the control plane was reached: %v", x.path, f.Calls())
		}
		wantProblem(t, request(h, "agent", "POST", x.path, good, key), 403, writ.ReasonKind)
		if said := f.Refusals(); len(f.Calls()) > 0 || len(said) != 1 || !strings.Contains(said[0], string(writ.ReasonKind)) {
			t.Errorf("%s: of an agent's call is recorded %v, reached %v", x.path, said, f.Calls())
		}
		for _, headers := range [][]string{nil, {key}, {"Idempotency-Key: x"}} {
			if w := request(h, "human", "POST", x.path, good, headers...); w.Code != 200 {
				t.Errorf("%s: %d %s", x.path, w.Code, w.Body)
			}
		}
	}
}
