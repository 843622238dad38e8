package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// padded is an object of exactly n bytes.
func padded(n int) string {
	const begin, end = `{"error_permille":7,"x":"`, `"}`
	return begin + strings.Repeat("x", n-len(begin)-len(end)) + end
}

// Answers and readings of exactly as many bytes as they may have are whole; with one more they are cut, and say so. Of half an answer
// there are no facts.
func TestAReadingIsCutBeyondItsBytesAndNotAtThem(t *testing.T) {
	const most = 1 << 20 // of an answer
	_, w, x := wired(t)
	read := func(body string) func(*http.Request, *http.Response) {
		return func(r *http.Request, res *http.Response) {
			if r.Method == http.MethodGet {
				replaced(res, body)
			}
		}
	}
	for _, c := range []struct {
		answer, limit int
		cut, facts    bool
	}{
		{5000, 5000, false, true}, {5001, 5000, true, true}, {5000, 4999, true, true}, {most, 1 << 30, false, true}, {most + 1, 1 << 30, true, false},
	} {
		w.answers(read(padded(c.answer)))
		got, err := x.Observe(t.Context(), connector.Query{
			Reader: "httpapi/service.metrics", With: writ.Parameters{"service": writ.String("checkout")}, Scope: []writ.Location{"httpapi://shop/services/checkout"}, Limit: c.limit,
		})
		want := min(c.answer, c.limit)
		if c.answer > most {
			want = -1 // where the word was that the cut fell into
		}
		if _, facts := got.Facts["error_permille"]; err != nil || got.Truncated != c.cut || facts != c.facts || want >= 0 && len(got.Bytes) != want || len(got.Bytes) > most {
			t.Errorf("%s: %d bytes, cut %t, facts %v, %v", fmt.Sprint(c), len(got.Bytes), got.Truncated, got.Facts, err)
		}
	}
	// A character is left whole, so that a cut reading may be shorter by a part of one.
	w.answers(read(`{"x":"` + strings.Repeat("€", 100) + `"}`))
	got, err := x.Observe(t.Context(), connector.Query{
		Reader: "httpapi/service.metrics", With: writ.Parameters{"service": writ.String("checkout")}, Scope: []writ.Location{"httpapi://shop/services/checkout"}, Limit: 10,
	})
	if err != nil || !got.Truncated || string(got.Bytes) != `{"x":"€` {
		t.Errorf("%q, cut %t, %v", got.Bytes, got.Truncated, err)
	}
}
