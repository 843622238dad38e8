//go:build !faults

package fault

import "time"

// On says whether this program was built with the tag faults.
const On = false

// Before marks the point before an operation.
func Before(Op) {}

// After marks the point after an operation.
func After(Op) {}

// Fail returns the error that a test has asked for instead of the operation; nil to go on.
func Fail(Op) error { return nil }

// Clock returns the clock of the processes.
func Clock() func() time.Time { return time.Now }
