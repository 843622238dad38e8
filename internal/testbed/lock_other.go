//go:build !unix

package testbed

import (
	"context"
	"errors"
)

func lock(context.Context, string) (unlock func(), err error) {
	return nil, errors.New("the test bed needs file locks of a Unix system")
}
