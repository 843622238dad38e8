package cedarx_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// What was found valid before never helps a statement that is not: the verdict is the one of a schema that has seen nothing.
func TestAStatementIsJudgedAsIfItWereTheFirst(t *testing.T) {
	used := mustSchema(t)
	judge := func(src string) {
		t.Helper()
		p := mustParse(t, src)[0]
		got, want := used.CheckPolicy(p), mustSchema(t).CheckPolicy(p)
		if (got == nil) != (want == nil) {
			t.Errorf("%s: %v, and as the first %v", src, got, want)
		}
	}
	for _, pair := range [][2]string{ // the first is valid; the second has another number, id or name only
		{`permit (principal, action == Action::"act", resource);`, `permit (principal, action == Action::"no-act", resource);`},
		{`permit (principal, action, resource) when { resource.env == Env::"dev" };`, `permit (principal, action, resource) when { resource.env == Team::"dev" };`},
		{`permit (principal is Agent, action, resource);`, `permit (principal is Agents, action, resource);`},
		{`permit (principal in Team::"t", action, resource);`, `permit (principal in Tea::"t", action, resource);`},
		{`permit (principal, action, resource) when { context.n == 1 };`, `permit (principal, action, resource) when { context.m == 1 };`},
		{`permit (principal, action, resource) when { context has opt && context.opt > 1 };`, `permit (principal, action, resource) when { context has deep && context.opt > 1 };`},
		{`permit (principal, action, resource) when { context.n == 1 };`, `permit (principal, action, resource) unless { context.n == true };`},
		{`permit (principal, action, resource) when { Team::"a" == Team::"b" && context.typo };`, `permit (principal, action, resource) when { Team::"a" == Team::"a" && context.typo };`},
		{`permit (principal, action, resource) when { 1 == 2 && context.typo };`, `permit (principal, action, resource) when { 2 == 2 && context.typo };`},
		{`permit (principal, action, resource) when { [1, 2].contains(context.n) };`, `permit (principal, action, resource) when { [1, true].contains(context.n) };`},
		{`permit (principal, action, resource) when { {a: 1}.a == context.n };`, `permit (principal, action, resource) when { {b: 1}.a == context.n };`},
		{`permit (principal, action, resource) when { ip("10.0.0.1").isIpv4() && context.n == 1 };`, `permit (principal, action, resource) when { ip("none").isIpv4() && context.n == 1 };`},
	} {
		if err := mustSchema(t).CheckPolicy(mustParse(t, pair[0])[0]); err != nil {
			t.Errorf("%s: %v", pair[0], err)
		}
		judge(pair[0])
		judge(pair[1])
	}
	r := rand.New(rand.NewPCG(11, 12))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var part func(depth int) string
	part = func(depth int) string {
		if depth == 0 {
			return pick(`context.n == 1`, `context.n == 2`, `context.opt < 3`, `context has opt`, `resource.env == Env::"dev"`, `resource.env == Env::"prod"`,
				`principal in Team::"a"`, `principal in Team::"b"`, `Team::"a" == Team::"a"`, `Team::"a" == Team::"b"`, `action == Action::"act"`,
				`context.typo == 1`, `context.deep.x == -1`, `[Team::"a", Team::"b"].contains(Team::"a")`, `resource is Service`, `true`, `1 + 2 == 3`)
		}
		return fmt.Sprintf(pick(`(%s && %s)`, `(%s || %s)`, `(!(%s) && %s)`, `(if %s then %s else false)`), part(depth-1), part(r.IntN(depth)))
	}
	for range 3000 {
		judge(fmt.Sprintf(`%s (%s, %s, %s) %s { %s };`, pick("permit", "forbid"), pick("principal", `principal is Agent`, `principal in Team::"x"`),
			pick("action", `action == Action::"act"`, `action in [Action::"mutate", Action::"act"]`), pick("resource", `resource is Service`),
			pick("when", "unless"), part(r.IntN(3))))
	}
}
