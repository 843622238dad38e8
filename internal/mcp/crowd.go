package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/crowd"
)

// crowded turns calls away that would be too many at once, altogether or of one agent: at once, before their body is read, with
// Retry-After. Who was admitted is served; nobody queues.
func (d door) crowded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := ""
		if info := auth.TokenInfoFromContext(r.Context()); info != nil {
			caller = info.UserID
		}
		leave, err := d.Crowd.Enter(caller)
		switch {
		case errors.Is(err, crowd.ErrCaller):
			turnAway(w, http.StatusTooManyRequests, fmt.Sprintf("you have %d calls under way, and no more at once", d.Crowd.Each()), "let some of them end; get_plan and get_run wait for you")
			return
		case err != nil:
			turnAway(w, http.StatusServiceUnavailable, err.Error(), "call again after the pause")
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

// turnAway answers that nothing was done, and when to come again.
func turnAway(w http.ResponseWriter, status int, detail, hint string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", strconv.Itoa(crowd.PauseSeconds))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // a reader that is gone is its own trouble
		Status int         `json:"status"`
		Code   writ.Reason `json:"code"`
		Detail string      `json:"detail"`
		Hint   string      `json:"hint"`
		Retry  string      `json:"retry"`
	}{status, "busy", detail, hint, "after"})
}
