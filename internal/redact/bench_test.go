package redact_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/redact"
)

// BenchmarkText is of a short answer and of a log of 60 KiB, neither of which has a secret.
func BenchmarkText(b *testing.B) {
	for name, text := range map[string]string{
		"short": "two pods are ready",
		"log":   strings.Repeat("2026-11-29T07:00:00.123Z INFO checkout request served method=GET path=/cart/42 status=200 took=12ms\n", 600),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				redact.Text(text)
			}
		})
	}
}
