package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
)

// maxEnrol bounds what a stranger may send: an enrolment has some 400 bytes.
const maxEnrol = 8 << 10

// EnrolHandler takes enrolments and retirements of runners' keys at the runners' door. C is who calls, as its connection
// shows it.
func EnrolHandler[C any](caller func(*http.Request) C, enrol func(context.Context, C, assignment.Enrol) (assignment.Enrolled, error), retire func(context.Context, C, assignment.Retire) error) http.Handler {
	d := &door{Config: Config{Log: slog.Default(), Now: time.Now, Rand: rand.Reader}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+assignment.PathEnrol, small(d, func(r *http.Request, in assignment.Enrol) (any, error) {
		return enrol(r.Context(), caller(r), in)
	}))
	mux.HandleFunc("POST "+assignment.PathRetire, small(d, func(r *http.Request, in assignment.Retire) (any, error) {
		return struct{}{}, retire(r.Context(), caller(r), in)
	}))
	return d.around(d.known(mux))
}

// small reads a small request strictly and writes the answer.
func small[T any](d *door, handle func(*http.Request, T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wire := http.NewResponseController(w)
		_ = wire.SetReadDeadline(d.Now().Add(answerTime))
		_ = wire.SetWriteDeadline(d.Now().Add(2 * answerTime))
		body, err := readBody(w, r, maxEnrol)
		_ = wire.SetReadDeadline(time.Time{})
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		var in T
		if err := canon.ParseLoose(body, &in); err != nil {
			d.refuse(w, r, badForm(err))
			return
		}
		out, err := handle(r, in)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		writeJSON(d, w, r, out)
	}
}
