package writ

import (
	"fmt"
	"log/slog"
)

// String leaves the token out, whatever prints it.
func (g IssuedGrant) String() string {
	return fmt.Sprintf("grant %s of plan %s, run %s", g.Grant, g.Plan, g.Run)
}

// GoString is String: %#v shows no token either.
func (g IssuedGrant) GoString() string { return g.String() }

// LogValue is String.
func (g IssuedGrant) LogValue() slog.Value { return slog.StringValue(g.String()) }
