//go:build unix

package policytest

import (
	"syscall"
	"testing"
	"time"
)

// Processor is the time that this process has computed, on all processors, in its own code and in the kernel.
func Processor(b testing.TB) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ReportProcessor reports what each of n things cost of it since before, collection of garbage included: on a machine that
// is shared this says more than the clock does.
func ReportProcessor(b *testing.B, before time.Duration, n int, each string) {
	b.Helper()
	b.ReportMetric(float64(Processor(b)-before)/float64(n), "cpu-ns/"+each)
}
