package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/crowd"
)

// A call is one operation of the door.
type call struct {
	id, method, path string
	summary          string
	kinds            []writ.Kind // of principals that may call at all
	creates          bool        // something new each time, so Idempotency-Key is required
	streams          bool        // the answer is written piece by piece
	again            lookup      // of a creating call whose answer is not kept
	body             bodyForm
	large            bool // the body may be of maxLarge bytes
	status           int  // of success; 0 means 200
	responses        map[string]*huma.Response
	request          *huma.RequestBody
}

// Who may call. Runners have their own door.
var (
	askers   = []writ.Kind{writ.KindAgent, writ.KindHuman}
	people   = []writ.Kind{writ.KindHuman}
	agents   = []writ.Kind{writ.KindAgent}
	sources  = []writ.Kind{writ.KindService}
	auditors = []writ.Kind{writ.KindHuman, writ.KindService}
	anyone   = []writ.Kind{writ.KindAgent, writ.KindHuman, writ.KindService}
)

// bodyForm says how the body of a call is read.
type bodyForm int

const (
	noBody    bodyForm = iota
	strict             // one JSON value that all readers agree on, of exactly the members that are documented
	tolerated          // JSON of somebody else's making, which the handler parses
)

// register puts a call behind its guard.
func register[I, O any](d *door, c call, handle func(ctx context.Context, by writ.Principal, in *I) (*O, error)) {
	op := huma.Operation{
		OperationID: c.id, Method: c.method, Path: c.path, Summary: c.summary, DefaultStatus: c.status,
		Security:     []map[string][]string{{"bearer": {}}},
		Middlewares:  huma.Middlewares{d.guard(c)},
		MaxBodyBytes: -1, BodyReadTimeout: -1, // the guard has read the body
		SkipValidateBody: c.body == tolerated,
		RequestBody:      c.request,
		Responses:        map[string]*huma.Response{"default": d.problems()},
	}
	for status, r := range c.responses {
		op.Responses[status] = r
	}
	if c.creates {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: true,
			Description: "16 to 128 visible ASCII characters, new for each thing to create",
			Schema:      &huma.Schema{Type: "string", MinLength: new(minKey), MaxLength: new(maxKey)},
		})
	}
	huma.Register(d.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, caller(ctx), in)
		if err != nil {
			return nil, d.failed(ctx, err)
		}
		return out, nil
	})
}

// problems documents the answer to everything that fails.
func (d *door) problems() *huma.Response {
	schema := d.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Description: "Problem", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
}

type callerKey struct{}

// caller returns who the guard found.
func caller(ctx context.Context) writ.Principal {
	p, _ := ctx.Value(callerKey{}).(writ.Principal)
	return p
}

// guard lets a request through to huma once its caller is known and of a kind that may call, and its body was read
// within the limits; and it runs creating calls once per key.
func (d *door) guard(c call) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(hc)
		by, err := d.Auth.Principal(r.Context(), r)
		if err == nil && !by.Valid() {
			err = writ.ErrUnknownUser
		}
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		if err := d.kind(r, c, by); err != nil {
			d.refuse(w, r, err)
			return
		}
		leave, err := d.enter(by)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		defer leave()
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, by))
		body, err := d.read(w, r, c)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		pass := func(w http.ResponseWriter) { next(humago.NewContext(hc.Operation(), r, w)) }
		switch {
		case c.creates:
			d.once(w, r, by, body, c.again, pass)
		case c.streams:
			pass(w)
		default:
			rec := newRecorder(w) // an answer that cannot be marshalled must not begin as a success
			pass(rec)
			rec.send(w)
		}
	}
}

// enter counts the calls of agents that are under way, with those at their other doors, and turns away one too many before its body is read.
func (d *door) enter(by writ.Principal) (leave func(), err error) {
	if by.Kind != writ.KindAgent {
		return func() {}, nil
	}
	r := &writ.Refusal{Code: codeBusy, After: crowd.PauseSeconds * time.Second}
	switch leave, err = d.Crowd.Enter(by.Iss + " " + by.Sub); {
	case errors.Is(err, crowd.ErrCaller):
		r.Kind, r.Detail, r.Hint = writ.ErrBusy, fmt.Sprintf("you have %d calls under way, and no more at once", d.Crowd.Each()), "let some of them end; Prefer: wait=20 waits for you"
	case err != nil:
		r.Kind, r.Detail, r.Hint = writ.ErrUnavailable, err.Error(), "call again after the pause"
	default:
		return leave, nil
	}
	return nil, r
}

// kind refuses kinds of principals that may not call this at all, and has that recorded.
func (d *door) kind(r *http.Request, c call, by writ.Principal) error {
	for _, k := range c.kinds {
		if k == by.Kind {
			return nil
		}
	}
	if d.Denials != nil && c.method != http.MethodGet { // reading changes nothing and would only fill the ledger
		plan, _ := writ.ParsePlanID(r.PathValue("id"))
		d.Denials.Denied(r.Context(), c.id, by, writ.ReasonKind, plan)
	}
	return writ.Refuse(writ.ReasonKind, "a principal of kind "+string(by.Kind)+" may not do this")
}
