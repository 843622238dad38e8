package storefront

import (
	"testing"
	"time"
)

func TestAFailureIsNotPushedOutByABurstOfLateAnswers(t *testing.T) {
	var w window
	now := time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)
	// Of 60 requests, one each 20 ms, each third fails and ends at once. The others hang, and end together.
	for i := range 60 {
		if i%3 == 0 {
			w.add(outcome{at: now.Add(time.Duration(i) * 20 * time.Millisecond), failed: true})
		}
	}
	end := now.Add(1300 * time.Millisecond)
	for i := range 60 {
		if i%3 != 0 {
			w.add(outcome{at: end, took: end.Sub(now.Add(time.Duration(i) * 20 * time.Millisecond))})
		}
	}
	if r := w.rates(end); r.Requests != windowSize || r.ErrorPermille != 333 {
		t.Errorf("%+v", r)
	}
}
