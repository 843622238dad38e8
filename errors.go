package writ

import (
	"errors"
	"time"
)

// Kinds of error. Code below the doors wraps exactly one of them; only a door turns a kind into an HTTP status, an
// exit status or a tool answer.
var (
	ErrInvalid     = errors.New("invalid")           // the input breaks a rule that the message names
	ErrNotFound    = errors.New("not found")         // no such object, or none that this caller may know of
	ErrUnknownUser = errors.New("not authenticated") // no valid credential
	ErrDenied      = errors.New("denied")            // understood, and refused; a Refusal says why
	ErrConflict    = errors.New("conflict")          // the object is not in a state that allows this
	ErrStale       = errors.New("stale")             // the caller's digest or version is not the current one
	ErrFrozen      = errors.New("frozen")            // a freeze covers this
	ErrBusy        = errors.New("busy")              // a limit is reached; try again later
	ErrUnavailable = errors.New("unavailable")       // a part of Writ cannot be reached; nothing was done
)

// A Refusal is a denial with its machine-readable reason. It matches ErrDenied with errors.Is, and the kind it
// carries, if any.
type Refusal struct {
	Code   Reason // stable code, shown to agents and people
	Detail string // one sentence that names the field and what is allowed; never a secret
	Hint   string // the nearest thing that would be allowed, if there is one
	Kind   error  // nil means ErrDenied

	// After is how long the caller had better wait before it asks again; 0 when time alone changes nothing.
	After time.Duration
}

// AfterSeconds is After in whole seconds, rounded up, as Retry-After has it.
func (r *Refusal) AfterSeconds() int { return int((r.After + time.Second - 1) / time.Second) }

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return string(r.Code)
	}
	return string(r.Code) + ": " + r.Detail
}

// Is matches ErrDenied, unless another kind was set, and then that kind.
func (r *Refusal) Is(target error) bool {
	if r.Kind != nil {
		return target == r.Kind
	}
	return target == ErrDenied
}

// Refuse returns a Refusal of kind ErrDenied.
func Refuse(code Reason, detail string) error { return &Refusal{Code: code, Detail: detail} }

// AfterOf returns in how many seconds to ask again: as the Refusal in err's chain says, or else soon.
func AfterOf(err error, soon int) int {
	if r, ok := errors.AsType[*Refusal](err); ok && r.After > 0 {
		return r.AfterSeconds()
	}
	return soon
}

// ReasonOf returns the code of the Refusal in err's chain, or the empty Reason.
func ReasonOf(err error) Reason {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return ""
}
