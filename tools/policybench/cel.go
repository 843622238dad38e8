package main

import (
	"context"
	"fmt"

	"github.com/google/cel-go/cel"
)

type celRules struct {
	grants, denials []cel.Program
	in              map[string]any
}

func (c celRules) decide() bool {
	granted := false
	for _, p := range c.grants {
		v, _, err := p.Eval(c.in)
		if err != nil {
			return false
		}
		granted = granted || v.Value() == true
	}
	for _, p := range c.denials {
		if v, _, err := p.Eval(c.in); err != nil || v.Value() != false {
			return false
		}
	}
	return granted
}

func loadCEL(_ context.Context, n int) (engine, error) {
	value := cel.MapType(cel.StringType, cel.DynType)
	env, err := cel.NewEnv(cel.Variable("principal", value), cel.Variable("resource", value), cel.Variable("context", value))
	if err != nil {
		return nil, err
	}
	c := celRules{in: input()}
	add := func(to *[]cel.Program, text string) {
		ast, issues := env.Compile(text)
		if issues.Err() != nil {
			err = issues.Err()
			return
		}
		p, perr := env.Program(ast)
		if perr != nil {
			err = perr
		}
		*to = append(*to, p)
	}
	for i := range 5 {
		add(&c.grants, fmt.Sprintf(`context.tier >= 1 && context.tier <= %d && "repair" in principal.roles && context.evidenceFresh`, i))
		add(&c.denials, fmt.Sprintf(`has(context.concurrent) && context.concurrent > %d || context.tier > 3 && resource.env == "prod"`, i))
		add(&c.denials, fmt.Sprintf(`context.tier == %d + 2 && (context.approvalsOwner < 1 || context.proof < context.tierProof)`, i))
	}
	for i := range n - 15 {
		add(&c.denials, fmt.Sprintf(`resource.name == "service-%d" && context.tier > 2 && context.now > 5`, i))
	}
	return c, err
}
