package cedarx_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/policy/cedarx"
)

const schema = `
entity Env enum ["dev", "prod"];
entity Team;
entity Agent in [Team] { env: Env };
entity Human { oncall: Bool };
entity Service in [Team] { env: Env };
action "mutate";
action "plane" in ["mutate"];
action "act" in ["plane"] appliesTo { principal: [Agent, Human], resource: [Service], context: { n: Long, opt?: Long, deep: { x: Long } } };
`

func mustSchema(t testing.TB) *cedarx.Schema {
	t.Helper()
	s, err := cedarx.ParseSchema("schema", []byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustParse(t testing.TB, src string) []*cedarx.Policy {
	t.Helper()
	ps, err := cedarx.Parse("p.cedar", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func request(s *cedarx.Schema, context cedarx.Members) (cedarx.Entities, cedarx.Request) {
	action, _ := s.Action("act")
	env := cedarx.NewUID("Env", "prod")
	agent := cedarx.NewEntity(cedarx.NewUID("Agent", "a"), cedarx.NewRecord(cedarx.Members{"env": env}), cedarx.NewUID("Team", "t"))
	service := cedarx.NewEntity(cedarx.NewUID("Service", "s"), cedarx.NewRecord(cedarx.Members{"env": env}))
	return cedarx.Entities{agent, service, action}, cedarx.Request{
		Principal: agent.UID, Action: action.UID, Resource: service.UID, Context: cedarx.NewRecord(context),
	}
}

// The engine's name stands in every decision and in the bundle's digest.
func TestTheEngineIsTheOneThatIsLinked(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/cedar-policy/" + cedarx.Engine; !strings.Contains(string(mod), "\t"+want) {
		t.Errorf("go.mod does not require %s", want)
	}
}

// Pitfall 17: reading requirements off the policies that decided rests on this.
func TestTheEngineReportsEverySatisfiedPolicyOnBothEffects(t *testing.T) {
	s := mustSchema(t)
	permits := `
@id("a") permit (principal, action, resource);
@id("b") permit (principal, action, resource) when { context.n == 1 };
@id("c") permit (principal, action, resource) when { context.n == 2 };`
	forbids := `
@id("d") forbid (principal, action, resource) when { context.n == 1 };
@id("e") forbid (principal, action in Action::"mutate", resource);
@id("f") forbid (principal, action, resource) when { context.n == 2 };`
	e, q := request(s, cedarx.Members{"n": cedarx.Long(1), "deep": cedarx.NewRecord(cedarx.Members{"x": cedarx.Long(1)})})
	r, err := cedarx.Authorize(mustParse(t, permits), e, q)
	if err != nil || !r.Allow || !slices.Equal(r.Reasons, []string{"a", "b"}) {
		t.Errorf("permits: %+v, %v", r, err)
	}
	r, err = cedarx.Authorize(mustParse(t, permits+forbids), e, q)
	if err != nil || r.Allow || !slices.Equal(r.Reasons, []string{"d", "e"}) {
		t.Errorf("forbids: %+v, %v", r, err)
	}
	r, err = cedarx.Authorize(nil, nil, q)
	if err != nil || r.Allow || len(r.Reasons) != 0 {
		t.Errorf("nothing: %+v, %v", r, err)
	}
}

// Pitfall 1: the engine skips a forbid that fails; the caller has to see its id.
func TestAFailingForbidIsNamedEvenBesideAnAllow(t *testing.T) {
	s := mustSchema(t)
	e, q := request(s, cedarx.Members{"n": cedarx.Long(1)})
	for name, condition := range map[string]string{
		"a missing attribute": `context.opt > 1`,
		"in on a string":      `"x" in principal`,
		"an overflow":         `context.n + 9223372036854775807 > 0`,
		"an unknown entity":   `Agent::"nobody".env == Env::"dev"`,
		"a wrong type":        `context.n`,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := cedarx.Authorize(mustParse(t, `@id("g") permit (principal, action, resource); @id("h") forbid (principal, action, resource) when { `+condition+` };`), e, q)
			if err != nil || !r.Allow || !slices.Equal(r.Errors, []string{"h"}) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// Pitfall 2, first half: what strict validation refuses is pinned, so that an upgrade cannot take it away unseen.
func TestTheValidatorRefuses(t *testing.T) {
	s := mustSchema(t)
	for name, src := range map[string]string{
		"an unknown action":            `permit (principal, action == Action::"fly", resource);`,
		"an unknown type":              `permit (principal is Robot, action, resource);`,
		"a wrong type":                 `permit (principal, action, resource) when { context.n == "1" };`,
		"an unguarded optional fact":   `permit (principal, action, resource) when { context.opt == 1 };`,
		"an unknown fact":              `permit (principal, action, resource) when { context.typo == 1 };`,
		"a guard that is turned round": `forbid (principal, action, resource) when { !(context has opt) || context.opt < 1 };`,
		"a string where an enum is":    `permit (principal, action, resource) when { resource.env == "prod" };`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.CheckPolicy(mustParse(t, src)[0]); err == nil {
				t.Error("it was taken")
			}
		})
	}
	for name, src := range map[string]string{
		"a guarded optional fact": `permit (principal, action, resource) when { context has opt && context.opt == 1 };`,
		"the form that closes":    `forbid (principal, action, resource) unless { context has opt && context.opt >= 1 };`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.CheckPolicy(mustParse(t, src)[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// Pitfall 2, second half: what the validator takes, lint does not.
func TestLintRefusesWhatTheValidatorTakes(t *testing.T) {
	s := mustSchema(t)
	for name, c := range map[string]struct{ src, want string }{
		"has of an unknown fact":    {`permit (principal, action, resource) when { context has typo };`, `"typo"`},
		"has inside a record":       {`permit (principal, action, resource) when { context.deep has y };`, `"y"`},
		"has of the other kind":     {`permit (principal is Agent, action, resource) when { principal has oncall };`, `"oncall"`},
		"an undeclared id":          {`permit (principal, action, resource) when { resource.env == Env::"production" };`, `Env::"production"`},
		"an undeclared id in a set": {`permit (principal, action, resource) when { [Env::"dev", Env::"test"].contains(resource.env) };`, `Env::"test"`},
		"an undeclared action":      {`permit (principal, action, resource) when { action == Action::"fly" };`, `Action::"fly"`},
		"a literal false":           {`permit (principal, action, resource) when { false };`, "always"},
		"a literal true":            {`forbid (principal, action, resource) unless { true };`, "always"},
		"a literal in an or":        {`permit (principal, action, resource) when { context.n == 1 || true };`, "always"},
		"a comparison of literals":  {`permit (principal, action, resource) when { context.n == 1 && 1 < 2 };`, "always"},
		"a negated literal":         {`permit (principal, action, resource) when { context.n == 1 && !false };`, "always"},
		"a thing and itself":        {`permit (principal, action, resource) when { context.n <= context.n };`, "both sides"},
		"an if that is decided":     {`permit (principal, action, resource) when { if true then context.n == 1 else context.n == 2 };`, "always"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := s.Lint(mustParse(t, c.src)[0])
			if err != nil || !strings.Contains(strings.Join(found, "\n"), c.want) {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
	for _, fine := range []string{
		`permit (principal is Human, action, resource) when { principal.oncall };`,
		`permit (principal, action, resource) when { context has opt && context.opt > 1 && resource.env == Env::"dev" };`,
		`permit (principal, action, resource) when { resource has env && context.deep has x };`,
		`permit (principal in Team::"any", action in Action::"plane", resource);`,
	} {
		if found, err := s.Lint(mustParse(t, fine)[0]); err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", fine, found, err)
		}
	}
}

func TestRequestsAndEntitiesAreCheckedWithTheirIDs(t *testing.T) {
	s := mustSchema(t)
	e, q := request(s, cedarx.Members{"n": cedarx.Long(1), "deep": cedarx.NewRecord(cedarx.Members{"x": cedarx.Long(1)})})
	if err := s.CheckRequest(q); err != nil {
		t.Error(err)
	}
	if err := s.CheckEntity(e[0]); err != nil {
		t.Error(err)
	}
	_, missing := request(s, cedarx.Members{"n": cedarx.Long(1)})
	if s.CheckRequest(missing) == nil {
		t.Error("a request without a required fact was taken")
	}
	_, group := request(s, cedarx.Members{"n": cedarx.Long(1)})
	group.Action = cedarx.ActionUID("mutate")
	if s.CheckRequest(group) == nil {
		t.Error("a request for a group of actions was taken")
	}
	bad := cedarx.NewEntity(cedarx.NewUID("Agent", "a"), cedarx.NewRecord(cedarx.Members{"env": cedarx.NewUID("Env", "test")}))
	if s.CheckEntity(bad) == nil {
		t.Error("an undeclared id was taken")
	}
}

func TestActionsHaveAllTheirAncestors(t *testing.T) {
	a, ok := mustSchema(t).Action("act")
	if !ok || !a.Parents.Contains(cedarx.ActionUID("plane")) || !a.Parents.Contains(cedarx.ActionUID("mutate")) {
		t.Errorf("%v, %v", a.Parents, ok)
	}
	if _, ok := mustSchema(t).Action("plane"); ok {
		t.Error("a group is no action")
	}
}

// Pitfall 5: an exhausted stack cannot be caught, so the parser never sees such a source.
func TestDeepNestingIsRefusedBeforeParsing(t *testing.T) {
	for _, src := range []string{
		`permit (principal, action, resource) when { ` + strings.Repeat("(", 3<<20),
		`permit (principal, action, resource) when { ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + ` };`,
	} {
		if _, err := cedarx.Parse("p", []byte(src)); err == nil || !strings.Contains(err.Error(), "nested") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := cedarx.ParseSchema("s", []byte(`type A = `+strings.Repeat("Set<{a: ", 100)+`Long`)); err == nil {
		t.Error("a deep schema was taken")
	}
	mustParse(t, `permit (principal, action, resource) when { context.s == "`+strings.Repeat("(", 200)+`" } // `+strings.Repeat("(", 200)+"\n;")
}

func FuzzParse(f *testing.F) {
	s, err := cedarx.ParseSchema("schema", []byte(schema))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`@id("a") permit (principal is Agent, action in Action::"mutate", resource) when { context.n > 1 && resource.env == Env::"dev" };`))
	f.Add([]byte(`forbid (principal, action == Action::"act", resource in Team::"t") unless { context has opt && [1, context.opt].contains(2) };`))
	f.Add([]byte(`permit (principal, action, resource) when { if context.deep has x then {a: 1}.a == 1 else "a" like "*" };`))
	f.Fuzz(func(t *testing.T, src []byte) {
		ps, err := cedarx.Parse("p", src)
		if err != nil {
			return
		}
		e, q := request(s, cedarx.Members{"n": cedarx.Long(1), "deep": cedarx.NewRecord(cedarx.Members{"x": cedarx.Long(1)})})
		for _, p := range ps {
			p.Scope()
			p.Reads("n")
			_ = s.CheckPolicy(p)
			if _, err := s.Lint(p); err != nil {
				t.Fatalf("lint of %q: %v", p.Text(), err)
			}
		}
		if _, err := cedarx.Authorize(ps, e, q); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAPanicOfTheEngineIsAnError(t *testing.T) {
	e, q := request(mustSchema(t), cedarx.Members{"n": cedarx.Long(1)})
	if r, err := cedarx.Authorize([]*cedarx.Policy{{ID: "broken"}}, e, q); !errors.Is(err, cedarx.ErrEngine) || r.Allow {
		t.Errorf("%+v, %v", r, err)
	}
}
