package oauth

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// A fault is one refusal, as OAuth says it (RFC 6749 section 5.2) with members of ours: the same stable code as the API's
// problems, the decision behind it, and the plan that waits.
type fault struct {
	Name        string          `json:"error"`
	Description string          `json:"error_description,omitempty"`
	Code        writ.Reason     `json:"code,omitempty"`
	Hint        string          `json:"hint,omitempty"`
	Decision    writ.DecisionID `json:"decision_id,omitempty"`
	Plan        writ.PlanID     `json:"plan,omitempty"`
	status      int             // 0: 400
	after       time.Duration   // 0: no Retry-After
	nonce       string          // to come again with; "": no DPoP-Nonce
}

func (f *fault) Error() string { return f.Name }

var (
	// errClient and errGrant say the same whatever is wrong: the log alone has the code.
	errClient = &fault{Name: "invalid_client", Description: "the client could not be authenticated", status: http.StatusUnauthorized}
	errGrant  = &fault{Name: "invalid_grant", Description: "the assertion is not good, or was used before"}
	errProof  = &fault{Name: "invalid_dpop_proof", Description: "exactly one fresh DPoP proof for this request is needed"}
)

// refuseClient turns an error of Clients into OAuth's; unknown stands for who could not be authenticated.
func refuseClient(err error, unknown *fault) error {
	switch n, asked := errors.AsType[*authn.NonceError](err); {
	case asked: // RFC 9449 section 8
		return &fault{
			Name: "use_dpop_nonce", Description: "this server asks for its nonce in the DPoP proof", nonce: n.Nonce,
			Hint: "send the same request once more, with a new proof whose nonce is the value of the header DPoP-Nonce",
		}
	case errors.Is(err, writ.ErrInvalid):
		return errProof
	case errors.Is(err, writ.ErrUnknownUser):
		return unknown
	}
	return err
}

// decided is an error that knows the decision behind it.
type decided interface {
	error
	DecisionID() writ.DecisionID
}

// maxDescription bounds an error's text.
const maxDescription = 500

// refusalFault turns an error below the door into OAuth's. plan is the one that was asked for, or "".
func refusalFault(err error, plan writ.PlanID) *fault {
	r, refused := errors.AsType[*writ.Refusal](err)
	f := &fault{Name: "access_denied", status: http.StatusBadRequest}
	switch {
	case refused && r.Code == writ.ReasonPending:
		f.Name, f.after = "authorization_pending", max(r.After, pollInterval)
	case refused && r.Code == writ.ReasonRunnerAltered:
		f.Name = "invalid_target"
	case errors.Is(err, writ.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &fault{Name: "temporarily_unavailable", Description: "a part of Writ cannot be reached", status: http.StatusServiceUnavailable, after: retryUnavailable}
	case errors.Is(err, writ.ErrBusy):
		f.Name, f.status, f.after = "slow_down", http.StatusTooManyRequests, pollInterval
	case !refused:
		return &fault{Name: "server_error", Description: "something went wrong inside Writ", status: http.StatusInternalServerError}
	}
	f.Plan = plan
	if refused {
		f.Code, f.Description, f.Hint = r.Code, writ.Printable(r.Detail, maxDescription), writ.Printable(r.Hint, maxDescription)
		f.after = max(f.after, r.After)
	}
	if d, ok := errors.AsType[decided](err); ok {
		f.Decision = d.DecisionID()
	}
	return f
}

// retryUnavailable is when to ask again after a part of Writ was down: a replica starts within seconds.
const retryUnavailable = 2 * time.Second

// refuse answers with an error, and logs it if it is this side's own fault.
func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f, ok := errors.AsType[*fault](err)
	if !ok {
		f = refusalFault(err, "")
	}
	if f.status == 0 {
		f = &fault{f.Name, f.Description, f.Code, f.Hint, f.Decision, f.Plan, http.StatusBadRequest, f.after, f.nonce}
	}
	if f.status >= http.StatusInternalServerError {
		e.Log.ErrorContext(r.Context(), "a token request failed", "path", r.URL.Path, "error", writ.Printable(err.Error(), maxDescription))
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `DPoP realm="writ", algs="ES256"`)
	}
	if f.nonce != "" {
		w.Header().Set("DPoP-Nonce", f.nonce)
	}
	if f.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.after+time.Second-1)/time.Second)))
	}
	write(w, f.status, f)
}
