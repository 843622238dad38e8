package runner_test

import (
	"testing"
	"time"
)

// BenchmarkRun is a whole run against a target that does nothing: judged, spent, one step acknowledged by a ledger in
// memory, acted, revoked, probed, verified and told; planning and granting are left out of the time. State it beside
// the journal's own BenchmarkSpend, which is one durable write.
func BenchmarkRun(b *testing.B) {
	w := newWorld(b)
	w.trust.Ceiling.RunsPerHour = 1 << 30
	w.sign()
	w.start()
	defer w.stop()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		w.target.reset()
		g := w.grant(w.planned("one"))
		b.StartTimer()
		id := w.send(g)
		for {
			if _, ok := w.control.answer(id); ok {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
}
