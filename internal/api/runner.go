package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
)

// MaxRunnerBody bounds what a runner sends: MaxEntries entries of MaxLeaf bytes would be more, but a run's entries are
// some kilobytes, and evidence is cut by its limit.
const MaxRunnerBody = 4 << 20

// runnerBodyTime is how long a runner may take to send a body.
const runnerBodyTime = 30 * time.Second

// Runners is what the runners' door can do. Next returns nil when there is no work within the wait that is asked for.
// Answers and deliveries may come again; repeats are harmless.
type Runners interface {
	Join(ctx context.Context, runner writ.RunnerID, join assignment.Join) (assignment.Joined, error)
	Next(ctx context.Context, runner writ.RunnerID, ask assignment.Ask) (*assignment.Assignment, error)
	AnswerAssignment(ctx context.Context, runner writ.RunnerID, answer assignment.Answer) error
	Deliver(ctx context.Context, runner writ.RunnerID, delivery assignment.Delivery) (assignment.Delivered, error)
	Feed(ctx context.Context, runner writ.RunnerID, listen assignment.Listen) (assignment.Told, error)
}

// RunnerHandler is the runners' door: the paths of internal/assignment and nothing else. identify finds the
// runner by the key of its connection; without one the answer is 401. It logs to slog's default logger, and only what
// no kind of error foresees.
func RunnerHandler(runners Runners, identify func(*http.Request) (writ.RunnerID, error)) http.Handler {
	d := &door{Config: Config{Log: slog.Default(), Now: time.Now, Rand: rand.Reader}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+assignment.PathJoin, fromRunner(d, identify, func(ctx context.Context, by writ.RunnerID, join assignment.Join) (any, error) {
		return runners.Join(ctx, by, join)
	}))
	mux.HandleFunc("POST "+assignment.PathNext, fromRunner(d, identify, func(ctx context.Context, by writ.RunnerID, ask assignment.Ask) (any, error) {
		if wait := time.Duration(ask.WaitSeconds) * time.Second; ask.WaitSeconds < 0 || wait > assignment.MaxWait || ask.Seen < 0 {
			return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid,
				Detail: fmt.Sprintf("wait_seconds is 0 to %d and seen is not negative", int(assignment.MaxWait/time.Second))}
		}
		work, err := runners.Next(ctx, by, ask)
		if work == nil || err != nil {
			return nil, err
		}
		return work, nil
	}))
	mux.HandleFunc("POST "+assignment.PathAnswer, fromRunner(d, identify, func(ctx context.Context, by writ.RunnerID, answer assignment.Answer) (any, error) {
		return struct{}{}, runners.AnswerAssignment(ctx, by, answer)
	}))
	mux.HandleFunc("POST "+assignment.PathEntries, fromRunner(d, identify, func(ctx context.Context, by writ.RunnerID, delivery assignment.Delivery) (any, error) {
		if delivery.Count() > assignment.MaxEntries || len(delivery.Also) >= assignment.MaxRuns {
			return nil, &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrInvalid,
				Detail: fmt.Sprintf("a delivery has at most %d entries, of at most %d runs", assignment.MaxEntries, assignment.MaxRuns)}
		}
		for _, d := range append([]assignment.Delivery{delivery}, delivery.Also...) {
			for n, e := range d.Entries {
				if len(e) == 0 || len(e) > writ.MaxLeaf {
					return nil, &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrInvalid,
						Detail: fmt.Sprintf("entry %d of a run has %d bytes; 1 to %d are allowed", n, len(e), writ.MaxLeaf)}
				}
			}
		}
		return runners.Deliver(ctx, by, delivery)
	}))
	mux.HandleFunc("POST "+assignment.PathFeed, fromRunner(d, identify, func(ctx context.Context, by writ.RunnerID, listen assignment.Listen) (any, error) {
		if wait := time.Duration(listen.WaitSeconds) * time.Second; listen.WaitSeconds < 0 || wait > assignment.MaxWait {
			return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid,
				Detail: fmt.Sprintf("wait_seconds is 0 to %d", int(assignment.MaxWait/time.Second))}
		}
		return runners.Feed(ctx, by, listen)
	}))
	return d.around(d.known(mux))
}

// fromRunner reads a request of type T strictly and writes what handle returns: 204 for nil.
func fromRunner[T any](d *door, identify func(*http.Request) (writ.RunnerID, error), handle func(context.Context, writ.RunnerID, T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := identify(r)
		if err == nil && by == "" {
			err = writ.ErrUnknownUser
		}
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		wire := http.NewResponseController(w) // deadlines as in read
		_ = wire.SetReadDeadline(d.Now().Add(runnerBodyTime))
		_ = wire.SetWriteDeadline(d.Now().Add(runnerBodyTime + answerTime))
		body, err := readBody(w, r, MaxRunnerBody)
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
		out, err := handle(r.Context(), by, in)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		if out == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeJSON(d, w, r, out)
	}
}

// badForm refuses a body that is not of the wanted form.
func badForm(err error) error {
	return &writ.Refusal{Code: writ.ReasonForm, Detail: writ.Printable(err.Error(), maxDetail), Kind: writ.ErrInvalid}
}

func writeJSON(d *door, w http.ResponseWriter, r *http.Request, out any) {
	text, err := json.Marshal(out)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}
