package writ_test

import (
	"bytes"
	"testing"

	"github.com/writ-dev/writ"
)

func FuzzParseAutonomyStatement(f *testing.F) {
	f.Add([]byte(`{"_type":"https://writ.dev/autonomy/v1","exp":"2026-11-22T03:17:00Z","from":"T2","nbf":"2026-11-22T03:12:00Z","nonce":"AAAAAAAAAAAAAAAAAAAAAA","person":{"iss":"https://idp.test","sub":"ann"},"playbook":"restart-workload","record":"sha256:0000000000000000000000000000000000000000000000000000000000000001","service":"shop","to":"T1"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := writ.ParseAutonomyStatement(b)
		if err != nil {
			return
		}
		if again, err := s.Bytes(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s became %s, %v", b, again, err)
		}
		if d := s.To - s.From; d != 1 && d != -1 || s.To < writ.T1 {
			t.Errorf("a move from %s to %s", s.From, s.To)
		}
	})
}

func TestDutiesJoinWhicheverStandsFirst(t *testing.T) {
	for _, a := range []writ.Duties{{}, {VerifyWithin: 60}, {ReviewWithin: 5, Notify: []string{"a"}}, {VerifyWithin: 30, Notify: []string{"a", "b"}}} {
		for _, b := range []writ.Duties{{}, {VerifyWithin: 90, ReviewWithin: 3}, {Notify: []string{"b", "c"}}} {
			x, y := a.Join(b), b.Join(a)
			if !x.Equal(y) || x.Check() != nil || !x.Join(a).Equal(x) || !x.Join(b).Equal(x) {
				t.Errorf("%+v and %+v: %+v, %+v", a, b, x, y)
			}
		}
	}
}
