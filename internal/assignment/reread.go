package assignment

import (
	"time"

	"github.com/writ-dev/writ"
)

// A Reread asks the runner that made a plan to read what the plan rests on once more, before the grant: its claims and
// its guards, under the credential that can only read. The runner takes the conditions from its own copy of the plan.
type Reread struct {
	Plan   writ.PlanID `json:"plan"`
	Digest writ.Digest `json:"digest"` // of the plan's bytes
}

// ReadAgain is what a reread showed: the plan's claims and then its guards, each once and in the plan's order.
type ReadAgain struct {
	At     time.Time `json:"at"` // when the first of them was read
	Claims []Claimed `json:"claims"`
}

// Claimed is one condition that was read again. Code and Detail say why one does not hold: what it is instead, or why
// it could not be read.
type Claimed struct {
	Name   string      `json:"name"`
	Holds  bool        `json:"holds"`
	Code   writ.Reason `json:"code,omitempty"`
	Detail string      `json:"detail,omitempty"` // one sentence without secrets
}
