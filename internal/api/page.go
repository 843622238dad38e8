package api

import "github.com/writ-dev/writ"

// A Page is one page of a list, with the cursor of the next one if there is one.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"cursor of the next page; absent on the last"`
}

// pageOf never makes items null.
func pageOf[T any](items []T, next string) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, Next: next}
}

// orDefault is the limit that a list is asked with.
func orDefault(limit int) int {
	if limit == 0 {
		return writ.DefaultPage
	}
	return limit
}

// etag quotes a digest as a strong entity tag (RFC 9110 section 8.8.3). A plan's tag is its digest: it names what an
// approval binds to, and says nothing about the plan's state.
func etag(d writ.Digest) string {
	if d.IsZero() {
		return ""
	}
	return `"` + d.String() + `"`
}
