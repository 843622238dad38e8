package policy_test

import (
	"syscall"
	"testing"
	"time"
)

// processor returns the time that this process has computed, on all processors, in its own code and in the kernel.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportProcessor reports what each of b.N operations cost of it since before, collection of garbage included: on a machine
// that is shared this says more than the clock does.
func reportProcessor(b *testing.B, before time.Duration) {
	b.Helper()
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
}
