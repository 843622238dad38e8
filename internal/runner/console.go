package runner

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// Paths of the console, which a runner serves on a socket of its own host. Whoever can open the socket can ask for a plan
// and hand in signatures; it gives no power, since only signatures of the roster run anything.
const (
	ConsolePlan = "/v1/breakglass/plan" // OfflineAsk -> OfflineRequest
	ConsoleRun  = "/v1/breakglass/run"  // OfflineAnswer -> OfflineRun
	ConsoleShow = "/v1/breakglass/runs/"
)

// maxConsole bounds what the console reads: a statement, MaxSigners signatures, or a page of parameters.
const maxConsole = 256 << 10

// A ConsoleProblem is a refusal of the console.
type ConsoleProblem struct {
	Code   writ.Reason `json:"code"`
	Detail string      `json:"detail"`
	Hint   string      `json:"hint,omitempty"`
}

// Console serves break-glass for the time that the control plane is down.
func (r *Runner) Console() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+ConsolePlan, func(w http.ResponseWriter, q *http.Request) {
		var ask OfflineAsk
		if readAsk(w, q, &ask) {
			out, err := r.PlanOffline(q.Context(), ask)
			r.respond(w, out, err)
		}
	})
	mux.HandleFunc("POST "+ConsoleRun, func(w http.ResponseWriter, q *http.Request) {
		var answer OfflineAnswer
		if readAsk(w, q, &answer) {
			out, err := r.RunOffline(q.Context(), answer)
			r.respond(w, out, err)
		}
	})
	mux.HandleFunc("GET "+ConsoleShow+"{id}", func(w http.ResponseWriter, q *http.Request) {
		id, err := writ.ParseRunID(q.PathValue("id"))
		if err != nil {
			r.respond(w, nil, err)
			return
		}
		out, err := r.OfflineRun(q.Context(), id)
		r.respond(w, out, err)
	})
	return mux
}

func readAsk(w http.ResponseWriter, q *http.Request, v any) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxConsole))
	if err == nil {
		err = canon.ParseLoose(b, v)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, ConsoleProblem{Code: writ.ReasonForm, Detail: "the body is not of the form that is asked for"})
	}
	return err == nil
}

func (r *Runner) respond(w http.ResponseWriter, v any, err error) {
	refusal, ok := errors.AsType[*writ.Refusal](err)
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	case ok:
		refuse(w, http.StatusForbidden, ConsoleProblem{refusal.Code, writ.Printable(refusal.Detail, maxDetail), writ.Printable(refusal.Hint, maxDetail)})
	case errors.Is(err, writ.ErrNotFound):
		refuse(w, http.StatusNotFound, ConsoleProblem{Code: "not_found", Detail: "there is no such run here"})
	default:
		r.Log.Error("console", "error", err)
		refuse(w, http.StatusInternalServerError, ConsoleProblem{Code: writ.ReasonUnavailable, Detail: "the runner could not do this; its log says why"})
	}
}

func refuse(w http.ResponseWriter, status int, p ConsoleProblem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}
