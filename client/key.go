package client

import "context"

type keyOf struct{}

// WithKey has the creating call that is made under the context carry this idempotency key, instead of one of its own. A
// caller that does not know whether a call arrived repeats it under the same key, at any server of the control plane and from
// any process, and gets the answer of the first for a day. A key is for one call, of 16 to 128 visible characters; another
// call under it is refused (writ.ErrInvalid).
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOf{}, key)
}
