package runner

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
)

// MaxReading bounds the bytes of one reading, whatever was asked for: it becomes one evidence blob.
const MaxReading = 1 << 20

// observe reads one observation for the control plane, inside the scope that came with it.
func (r *Runner) observe(ctx context.Context, o assignment.Observe) (*assignment.Observed, error) {
	conn, err := r.connector(o.Query.Target)
	if err != nil {
		return nil, err
	}
	reader, ok := conn.Catalogue().Reader(o.Query.Reader)
	if !ok {
		return nil, writ.Refuse(writ.ReasonUnknownReader, fmt.Sprintf("there is no reader %s here", writ.Printable(string(o.Query.Reader), 80)))
	}
	if err := connector.CheckParameters(reader.Parameters, o.Query.With); err != nil {
		return nil, err
	}
	limit := min(o.Limit, MaxReading)
	if limit < 1 {
		return nil, &writ.Refusal{Code: writ.ReasonForm, Detail: "the limit in bytes must be positive", Kind: writ.ErrInvalid}
	}
	q := connector.Query{Reader: reader.Name, With: o.Query.With, Scope: o.Scope, Limit: limit}
	got, err := try(ctx, fault.TargetObserve, readLimit, func(ctx context.Context) (connector.Reading, error) { return conn.Observe(ctx, q) })
	if err != nil {
		return nil, err
	}
	if len(got.Bytes) > limit {
		return nil, writ.Refuse(writ.ReasonTooLarge, "the reading is larger than was asked for")
	}
	return &assignment.Observed{
		Source: got.Source, At: writ.Instant(got.At), Bytes: append([]byte{}, got.Bytes...), Facts: got.Facts, Truncated: got.Truncated,
		Redacted: got.Redacted, Writable: got.Writable || reader.Writable,
	}, nil
}
