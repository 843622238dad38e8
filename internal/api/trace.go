package api

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
)

// traceparent is the header of W3C Trace Context level 1 section 3.2, version 00.
var traceparent = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$`)

type traceKey struct{}

// traceOf returns the trace id of the request that ctx belongs to.
func traceOf(ctx context.Context) string {
	s, _ := ctx.Value(traceKey{}).(string)
	return s
}

// trace takes the caller's trace id, or makes one, puts it into the context and names this call in the answer.
func (d *door) trace(w http.ResponseWriter, r *http.Request) *http.Request {
	var fresh [24]byte // trace id and span id
	if _, err := io.ReadFull(d.Rand, fresh[:]); err != nil {
		d.Log.Error("no randomness for trace ids", "error", err)
	}
	id := hex.EncodeToString(fresh[:16])
	if m := traceparent.FindStringSubmatch(r.Header.Get("Traceparent")); m != nil && m[1] != "00000000000000000000000000000000" {
		id = m[1]
	}
	w.Header().Set("Traceparent", "00-"+id+"-"+hex.EncodeToString(fresh[16:])+"-01")
	return r.WithContext(context.WithValue(r.Context(), traceKey{}, id))
}
