package web

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// maxForm bounds the body of a form: a reason has 4,000 characters, most of them of one or two bytes, which a browser
	// escapes three times as long.
	maxForm = 32 << 10
	// formTime is how long a browser may take to send one.
	formTime = 10 * time.Second
)

// A form is what a person sent.
type form struct{ url.Values }

// readForm takes a form off the wire, within size and time. The read deadline is lifted afterwards: net/http would
// otherwise cancel the request when it passes.
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	wire := http.NewResponseController(w)
	_ = wire.SetReadDeadline(time.Now().Add(formTime)) // of the socket, whose clock is the machine's; not all have one
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	_ = wire.SetReadDeadline(time.Time{})
	if err != nil {
		return form{}, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "the form could not be read, or is longer than 32 KiB"}
	}
	return form{r.PostForm}, nil
}

// reason returns why, which every act wants: it stands beside the act for whoever reads the incident later.
func (f form) reason() (string, error) {
	s := strings.TrimSpace(f.Get("reason"))
	if s == "" {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "a reason is missing: one sentence for whoever reads this later", Hint: "go back and write it"}
	}
	return strings.ReplaceAll(s, "\r\n", "\n"), nil
}

// plain returns a word from a link's query, or nothing when it is none.
func plain(s string) string {
	if len(s) > 40 || strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
		return ""
	}
	return s
}

// more is the address of a list's next page.
func more(path, state, next string) string {
	if next == "" {
		return ""
	}
	q := url.Values{"cursor": {next}}
	if state != "" {
		q.Set("state", state)
	}
	return path + "?" + q.Encode()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
