package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/writ-dev/writ"
)

// An Idempotency-Key has 16 to 128 visible ASCII characters: enough that two callers' keys never meet by chance, and
// no more than a column holds.
const (
	minKey = 16
	maxKey = 128
)

// kept are the headers that are part of an answer.
var kept = []string{"Content-Type", "Location", "ETag"}

// An answer is what is remembered of a call.
type answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// A lookup gives the answer's body anew from its Location: of what has a time to be erased at, no copy may outlive it.
type lookup func(ctx context.Context, by writ.Principal, location string) (any, error)

// once runs a creating call at most once for its key and gives the same answer to repeats.
func (d *door) once(w http.ResponseWriter, r *http.Request, by writ.Principal, body []byte, again lookup, run func(http.ResponseWriter)) {
	key := r.Header.Get("Idempotency-Key")
	if !goodKey(key) {
		d.refuse(w, r, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid,
			Detail: fmt.Sprintf("an Idempotency-Key of %d to %d visible ASCII characters is required", minKey, maxKey)})
		return
	}
	before, replay, err := d.Idempotency.Begin(r.Context(), by, key, callDigest(r, body))
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	if replay {
		var a answer
		if err := json.Unmarshal(before, &a); err != nil {
			d.refuse(w, r, fmt.Errorf("kept answer: %w", err))
			return
		}
		if again != nil && a.made() {
			if a.Body, err = anew(r.Context(), by, again, a); err != nil {
				d.refuse(w, r, err)
				return
			}
		}
		w.Header().Set("Idempotent-Replayed", "true")
		a.write(w)
		return
	}
	rec := newRecorder(w)
	func() {
		defer d.finish(r, by, key, again == nil, rec) // also after a panic, which leaves a failure
		run(rec)
	}()
	rec.send(w)
}

// anew is the body of a kept answer that was kept without.
func anew(ctx context.Context, by writ.Principal, again lookup, a answer) ([]byte, error) {
	v, err := again(ctx, by, a.Header["Location"])
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = strictJSON.Marshal(&b, v)
	return b.Bytes(), err
}

// finish keeps the answer, with or without what was made, even if the caller has hung up.
func (d *door) finish(r *http.Request, by writ.Principal, key string, whole bool, rec *recorder) {
	ctx := context.WithoutCancel(r.Context())
	a := rec.answer()
	if !whole && a.made() {
		a.Body = nil
	}
	text, err := json.Marshal(a)
	if err == nil {
		err = d.Idempotency.Finish(ctx, by, key, rec.status, text)
	}
	if err != nil {
		d.Log.ErrorContext(ctx, "the answer to a call was not kept; a repeat may be refused as still under way",
			"trace_id", traceOf(ctx), "error", writ.Printable(err.Error(), maxDetail))
	}
}

func goodKey(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(key) >= minKey && len(key) <= maxKey
}

// callDigest covers method, path, precondition and body: the same key on another path is another call.
func callDigest(r *http.Request, body []byte) writ.Digest {
	var b bytes.Buffer
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("If-Match")} {
		fmt.Fprintf(&b, "%d:%s,", len(part), part)
	}
	b.Write(body)
	return writ.DigestOf(b.Bytes())
}

// made reports whether the call has created something.
func (a answer) made() bool { return a.Status == http.StatusCreated }

func (a answer) write(w http.ResponseWriter) {
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.Status)
	w.Write(a.Body)
}
