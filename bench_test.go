package writ_test

import (
	"os"
	"testing"

	"github.com/writ-dev/writ"
)

func BenchmarkPlanDigest(b *testing.B) {
	src, err := os.ReadFile("testdata/vectors/plan.json")
	if err != nil {
		b.Fatal(err)
	}
	p, want, err := writ.ParsePlan(src)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("make", func(b *testing.B) { // canonical bytes and their digest, from the value
		b.ReportAllocs()
		for b.Loop() {
			made, err := p.Bytes()
			if err != nil || !writ.DigestOf(made).Equal(want) {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) { // strict parsing, the form, and the digest of the bytes
		b.ReportAllocs()
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			if _, got, err := writ.ParsePlan(src); err != nil || !got.Equal(want) {
				b.Fatal(err)
			}
		}
	})
}
