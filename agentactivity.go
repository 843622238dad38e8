package writ

import (
	"cmp"
	"slices"
	"time"
)

// An AgentActivity is what an agent is doing, beside what became of it. No decision rests on it, so it is no part of a record's
// digest.
type AgentActivity struct {
	Proposals int            `json:"proposals,omitempty"` // plans that it asked for, dry runs too
	Denials   map[Reason]int `json:"denials,omitempty"`   // of what it asked for, by code; beyond MaxDenialCodes codes under ReasonOther
	LastSeen  *time.Time     `json:"last_seen,omitempty"` // when a door last let it in, to the minute
	Budgets   []BudgetUse    `json:"budgets,omitempty"`   // that are in use now
}

// A BudgetUse is how much of one limit an agent uses.
type BudgetUse struct {
	What  string `json:"what"` // such as "open plans for shop"
	Used  int    `json:"used"`
	Limit int    `json:"limit"`
}

// MaxDenialCodes bounds the codes that a record tells apart: there are about a hundred, and one agent meets a handful.
const MaxDenialCodes = 40

// ReasonOther stands for codes beyond MaxDenialCodes in a count.
const ReasonOther Reason = "other"

// A DenialCount is one code with how often it was the answer.
type DenialCount struct {
	Reason Reason
	Count  int
}

// Deny counts one more refusal.
func (a *AgentActivity) Deny(code Reason) {
	if a.Denials == nil {
		a.Denials = map[Reason]int{}
	}
	if _, known := a.Denials[code]; !known && len(a.Denials) >= MaxDenialCodes {
		code = ReasonOther
	}
	a.Denials[code]++
}

// TopDenials returns the codes by how often they were the answer, and then by name: at most n of them.
func (a AgentActivity) TopDenials(n int) []DenialCount {
	out := make([]DenialCount, 0, len(a.Denials))
	for code, count := range a.Denials {
		out = append(out, DenialCount{code, count})
	}
	slices.SortFunc(out, func(x, y DenialCount) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Reason, y.Reason))
	})
	return out[:min(n, len(out))]
}
