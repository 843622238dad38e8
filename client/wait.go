package client

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"
)

// waitPause is the least time between two questions about the same object, in case a proxy drops the Prefer header.
const waitPause = time.Second

// maxLost is how many questions in a row may go unanswered.
const maxLost = 10

// wait asks for the object at path until done says so. The first answer comes at once; then the server holds each for
// up to 20 s. Lost answers are asked for again.
func (c *Client) wait(ctx context.Context, path string, to any, done func() bool) error {
	k := call{method: http.MethodGet, path: path}
	for lost := 0; ; {
		asked := time.Now()
		reflect.ValueOf(to).Elem().SetZero() // members that are gone must not stay from the answer before
		err := c.do(ctx, k, to)
		if _, again := errors.AsType[*lostError](err); again && lost < maxLost && ctx.Err() == nil {
			lost++
		} else if err != nil {
			return err
		} else if lost = 0; done() {
			return nil
		}
		if k.header != nil || err != nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(waitPause - time.Since(asked)):
			}
		}
		k.header = http.Header{"Prefer": {"wait=20"}}
	}
}
