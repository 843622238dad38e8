package policy_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

const (
	head      = ` @reason("Why.") `
	permitAll = `permit (principal, action in Action::"mutate", resource is Service)`
	forbidAll = `forbid (principal, action in Action::"mutate", resource is Service)`
	approve   = ` @discharge("approve") @approvals("1") @approvers("owner") `
	unmet     = ` when { context.approvalsOwner < 1 };`
)

// Pitfalls 2 to 5: what the loader refuses, and says.
func TestTheLoaderRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"no id":                           {"grants/x.cedar", head + permitAll + ";", "no @id"},
		"an id of another folder":         {"limits/x.cedar", `@id("grants/x")` + head + forbidAll + ";", "must be limits/"},
		"an id that is no name":           {"limits/x.cedar", `@id("limits/X y")` + head + forbidAll + ";", "must be limits/"},
		"an id twice":                     {"limits/x.cedar", `@id("limits/suspended")` + head + forbidAll + ";", "is taken by"},
		"a forbid among grants":           {"grants/x.cedar", `@id("grants/x")` + head + forbidAll + ";", "permits only"},
		"a permit among limits":           {"limits/x.cedar", `@id("limits/x")` + head + permitAll + ";", "forbids only"},
		"a permit among requirements":     {"requirements/x.cedar", `@id("requirements/x")` + head + approve + permitAll + ";", "forbids only"},
		"a limit with a discharge":        {"limits/x.cedar", `@id("limits/x")` + head + approve + forbidAll + unmet, "not known in limits/"},
		"a requirement without":           {"requirements/x.cedar", `@id("requirements/x")` + head + forbidAll + unmet, "@discharge is missing"},
		"an unknown discharge":            {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("ask")` + forbidAll + unmet, "@discharge is"},
		"approvals without approvers":     {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("approve") @approvals("1")` + forbidAll + unmet, "come together"},
		"approvers without approvals":     {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("approve") @approvers("owner")` + forbidAll + unmet, "come together"},
		"no approvals at all":             {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("approve") @approvals("0") @approvers("owner")` + forbidAll + unmet, "from 1 on"},
		"a number with a sign":            {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("approve") @approvals("+1") @approvers("owner")` + forbidAll + unmet, "from 1 on"},
		"an unknown group":                {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("approve") @approvals("1") @approvers("everyone")` + forbidAll + unmet, "@approvers is"},
		"a group that is not read":        {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("approve") @approvals("1") @approvers("oncall")` + forbidAll + unmet, "does not read"},
		"a proof that is not read":        {"requirements/x.cedar", `@id("requirements/x")` + head + approve + `@proof("A")` + forbidAll + unmet, "does not read"},
		"an unknown proof":                {"requirements/x.cedar", `@id("requirements/x")` + head + approve + `@proof("E")` + forbidAll + unmet, "@proof is"},
		"a tier's proof that is not read": {"requirements/x.cedar", `@id("requirements/x")` + head + approve + `@proof("tier")` + forbidAll + ` when { context.approvalsOwner < 1 || context.proof < 4 };`, "tierProof"},
		"a cap with approvals":            {"requirements/x.cedar", `@id("requirements/x")` + head + approve + `@max_ttl("5m")` + forbidAll + unmet, "goes with"},
		"approvals with a cap":            {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("clamp") @max_ttl("5m") @proof("A")` + forbidAll + unmet, "goes with"},
		"a cap that is not read":          {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("clamp") @max_ttl("5m")` + forbidAll + unmet, "context.ttl"},
		"a cap of nothing":                {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("clamp")` + forbidAll + unmet, "needs @max_ttl"},
		"a cap of fractions":              {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("clamp") @max_ttl("1.5s")` + forbidAll + unmet, "whole seconds"},
		"an unknown key":                  {"limits/x.cedar", `@id("limits/x")` + head + `@aproval("1")` + forbidAll + ";", "@aproval is not known"},
		"a duty that nobody carries":      {"grants/x.cedar", `@id("grants/x")` + head + `@page_within("5m")` + permitAll + ";", "not known"},
		"a duty of a limit":               {"limits/x.cedar", `@id("limits/x")` + head + `@verify_within("5m")` + forbidAll + ";", "not known in limits/"},
		"no sentence":                     {"limits/x.cedar", `@id("limits/x")` + forbidAll + ";", "@reason"},
		"a bare action":                   {"grants/x.cedar", `@id("grants/x")` + head + `permit (principal, action, resource is Service);`, "names an action"},
		"a bare resource":                 {"grants/x.cedar", `@id("grants/x")` + head + `permit (principal, action in Action::"mutate", resource);`, "type of its resource"},
		"a resource by team only":         {"grants/x.cedar", `@id("grants/x")` + head + `permit (principal, action in Action::"mutate", resource in Team::"x");`, "type of its resource"},
		"no action at all":                {"grants/x.cedar", `@id("grants/x")` + head + `permit (principal, action in [], resource is Service);`, "names an action"},
		"an unknown action":               {"limits/x.cedar", `@id("limits/x")` + head + `forbid (principal, action == Action::"kubernetes/pod.exec", resource is Service);`, "unrecognized action"},
		"a fact that is not":              {"limits/x.cedar", `@id("limits/x")` + head + forbidAll + ` when { context has typo };`, "typo"},
		"an undeclared id":                {"limits/x.cedar", `@id("limits/x")` + head + forbidAll + ` when { resource.env == Env::"production" };`, "production"},
		"a literal false":                 {"limits/x.cedar", `@id("limits/x")` + head + forbidAll + ` when { false };`, "always"},
		"a misspelt environment":          {"limits/x.cedar", `@id("limits/x")` + head + forbidAll + ` when { resource.env == "prod" };`, "limits/x"},
		"an unguarded fact":               {"limits/x.cedar", `@id("limits/x")` + head + forbidAll + ` when { context.permille > 3 };`, "permille"},
		"broken text":                     {"limits/x.cedar", `@id("limits/x") forbid (`, "limits/x.cedar"},
		"a file elsewhere":                {"more/x.cedar", `x`, "does not belong"},
		"a file deeper":                   {"limits/more/x.cedar", `x`, "does not belong"},
		"a file of another kind":          {"limits/x.rego", `x`, "does not belong"},
		"three megabytes of parentheses":  {"limits/x.cedar", `@id("limits/x")` + strings.Repeat("(", 3<<20), "larger than"},
		"a quarter of one":                {"limits/x.cedar", `@id("limits/x")` + head + forbidAll + ` when { ` + strings.Repeat("(", 200<<10), "nested"},
		"a hidden character":              {"limits/x.cedar", "// \u202e\n" + `@id("limits/x")` + head + forbidAll + ";", "invisible"},
		"a zero-width space":              {"limits/x.cedar", "// a\u200bb\n" + `@id("limits/x")` + head + forbidAll + ";", "invisible"},
		"bad UTF-8":                       {"limits/x.cedar", "// \xff\n", "UTF-8"},
		"a fact of the bundle's own":      {"schema.cedarschema", "", "nobody computes"},
		"tiers that fall":                 {"tiers.yaml", "", "weaker"},
		"an unknown tier":                 {"tiers.yaml", "v: 1\ntiers: []\n", "T0 to T4"},
		"a raise of everything":           {"tiers.yaml", "", "names no service"},
	} {
		t.Run(name, func(t *testing.T) {
			src := sources(t)
			text := []byte(c.text)
			switch name {
			case "a fact of the bundle's own":
				text = bytes.Replace(src[c.file], []byte("tainted: Bool,"), []byte("tainted: Bool, approved: Bool,"), 1)
			case "tiers that fall":
				text = bytes.Replace(src[c.file], []byte("{tier: T2, title: \"Wider or customer-visible, undo exists: one approver\", proof: C}"), []byte("{tier: T2, title: x, proof: D}"), 1)
			case "a raise of everything":
				text = bytes.Replace(src[c.file], []byte("raises: []"), []byte("raises: [{at_least: T4}]"), 1)
			}
			if bytes.Equal(text, src[c.file]) {
				t.Fatal("nothing was changed")
			}
			src[c.file] = text
			b, err := policy.LoadSources(src, vocabulary())
			if b != nil || !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got a set: %v, %v; want %q", b != nil, err, c.want)
			}
		})
	}
}

func TestAFactThatTheSchemaLeavesOutOrMakesOptionalIsRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"  tainted: Bool,\n", ""},
		{"tainted: Bool", "tainted?: Bool"},
		{"permille?: Long", "permille: Long"},
		{"tainted: Bool", "tainted: Long"},
		{"suspended: Bool", "suspended?: Bool"},
		{"owner: Team", "owner: Agent"},
		{`entity Env enum ["dev", "staging", "prod"]`, "entity Env"},
		{`"httpapi", `, ""},
		{`action "mutate";`, `action "mutates";`},
	} {
		src := sources(t)
		was := string(src["schema.cedarschema"])
		src["schema.cedarschema"] = []byte(strings.Replace(was, c[0], c[1], 1))
		if string(src["schema.cedarschema"]) == was {
			t.Fatalf("%q is not there", c[0])
		}
		if b, err := policy.LoadSources(src, vocabulary()); b != nil || !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q for %q was taken", c[1], c[0])
		}
	}
}

func TestAVocabularyThatIsNoVocabularyIsRefused(t *testing.T) {
	for name, change := range map[string]func(*policy.Vocabulary){
		"no operations":            func(v *policy.Vocabulary) { v.Operations = nil },
		"an operation twice":       func(v *policy.Vocabulary) { v.Operations = append(v.Operations, v.Operations[0]) },
		"an operation of no plane": func(v *policy.Vocabulary) { v.Operations = append(v.Operations, "postgres/query.cancel") },
		"a reader as an operation": func(v *policy.Vocabulary) { v.Readers = append(v.Readers, v.Operations[0]) },
		"a name with a quote":      func(v *policy.Vocabulary) { v.Operations = append(v.Operations, `kubernetes/a.b"]; permit`) },
		"a playbook with a quote": func(v *policy.Vocabulary) {
			v.Playbooks = append(v.Playbooks, policy.Playbook{Name: `a"`, Plane: "httpapi"})
		},
		"a playbook twice":          func(v *policy.Vocabulary) { v.Playbooks = append(v.Playbooks, v.Playbooks[0]) },
		"a plane named mutate":      func(v *policy.Vocabulary) { v.Planes = append(v.Planes, "mutate") },
		"a plane beyond the schema": func(v *policy.Vocabulary) { v.Planes = append(v.Planes, "mainframe") },
	} {
		v := vocabulary()
		change(&v)
		if b, err := policy.LoadSources(sources(t), v); b != nil || !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s was taken", name)
		}
	}
}

// Pitfall 13: an empty bundle is no bundle.
func TestI05NoPolicyAtAllIsRefused(t *testing.T) {
	for name, src := range map[string]map[string][]byte{"nothing": nil, "no policy": only(t, nil)} {
		if b, err := policy.LoadSources(src, vocabulary()); b != nil || !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s was taken", name)
		}
	}
}

// Pitfall 6.
func TestTheDigestNamesEveryByteAndNoOrder(t *testing.T) {
	src := sources(t)
	first, err := policy.LoadSources(src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{first.Digest().String(): "the bundle itself"}
	differ := func(what string, src map[string][]byte, v policy.Vocabulary) {
		t.Helper()
		b, err := policy.LoadSources(src, v)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if other, same := seen[b.Digest().String()]; same {
			t.Errorf("%s has the digest of %s", what, other)
		}
		seen[b.Digest().String()] = what
	}
	for name, text := range src {
		next := clone(src)
		comment := "\n// x\n"
		if strings.HasSuffix(name, ".yaml") {
			comment = "\n# x\n"
		}
		next[name] = append(bytes.Clone(text), comment...)
		differ("a comment in "+name, next, vocabulary())
	}
	next := clone(src)
	next["limits/other.cedar"] = next["limits/what.cedar"]
	delete(next, "limits/what.cedar")
	differ("a file of another name", next, vocabulary())
	v := vocabulary()
	v.Operations = append(v.Operations, "kubernetes/pod.delete")
	differ("another vocabulary", src, v)

	turned := vocabulary()
	for i, j := 0, len(turned.Operations)-1; i < j; i, j = i+1, j-1 {
		turned.Operations[i], turned.Operations[j] = turned.Operations[j], turned.Operations[i]
	}
	files := fstest.MapFS{}
	for name, text := range src {
		files[name] = &fstest.MapFile{Data: text}
	}
	again, err := policy.Load(files, turned)
	if err != nil || !again.Digest().Equal(first.Digest()) {
		t.Errorf("another order, or another way in, gives another digest: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`@id("limits/x") @reason("Why.") `+forbidAll+` when { context.tier > 2 };`, "v: 1\ntiers: []\n")
	f.Fuzz(func(t *testing.T, text, tiers string) {
		src := sources(t)
		src["limits/x.cedar"] = []byte(text)
		b, err := policy.LoadSources(src, vocabulary())
		if (b == nil) == (err == nil) || err != nil && !errors.Is(err, writ.ErrInvalid) {
			t.Fatalf("%v, %v", b, err)
		}
		if b != nil { // a limit more never allows more
			if d := b.Decide(at(3)); d.Allowed() {
				t.Fatalf("allowed with %q", text)
			}
		}
		src["tiers.yaml"] = []byte(tiers)
		if _, err := policy.LoadSources(src, vocabulary()); err != nil && !errors.Is(err, writ.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
