package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
)

// Exit statuses. Published once, never reused.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitDenied    = 3 // denied or rejected
	exitLogin     = 4
	exitDiffers   = 5 // differs, or verification failed
	exitUncertain = 6 // an uncertain outcome
	exitWaiting   = 8 // still waiting
)

// A usageError is a wrong call, with the nearest right one.
type usageError struct{ what, hint string }

func (e *usageError) Error() string { return e.what }

// An exitError ends with a status of its own; what is empty when the answer has been printed already.
type exitError struct {
	code int
	what string
}

func (e *exitError) Error() string { return e.what }

// fail prints err and returns the exit status. It is the only place that turns errors into statuses.
func (a *app) fail(err error) int {
	if err == nil {
		return exitDone
	}
	if u, ok := errors.AsType[*usageError](err); ok {
		a.complain(u.what, u.hint)
		return exitUsage
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		if e.what != "" {
			a.complain(e.what, "")
		}
		return e.code
	}
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		if errors.Is(err, writ.ErrDenied) {
			fmt.Fprintf(a.stderr, "DENIED  %s\n", r.Error())
			if r.Hint != "" {
				fmt.Fprintf(a.stderr, "hint: %s\n", writ.Printable(r.Hint, 400))
			}
			return exitDenied
		}
		a.complain(err.Error(), r.Hint)
	} else {
		a.complain(err.Error(), hintFor(err))
	}
	switch {
	case errors.Is(err, writ.ErrUnknownUser):
		return exitLogin
	case errors.Is(err, writ.ErrDenied), errors.Is(err, writ.ErrFrozen):
		return exitDenied
	case errors.Is(err, writ.ErrInvalid):
		return exitUsage
	case errors.Is(err, writ.ErrStale):
		return exitDiffers
	}
	return exitFailed
}

func hintFor(err error) string {
	switch {
	case errors.Is(err, writ.ErrUnknownUser):
		return "the token in token_file is missing, wrong or expired"
	case errors.Is(err, context.Canceled):
		return ""
	}
	return ""
}

func (a *app) complain(what, hint string) {
	fmt.Fprintf(a.stderr, "writ: %s\n", what)
	if hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", writ.Printable(hint, 400))
	}
}
