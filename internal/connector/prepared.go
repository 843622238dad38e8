package connector

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// Names under which a prepared step's bytes are committed to.
const (
	BlobBody     = "body"
	BlobPreimage = "preimage"
)

// Seal commits step to its bytes under salt, which must be fresh for each step.
func Seal(step writ.Step, salt [writ.SaltSize]byte, body, preimage []byte) Prepared {
	if len(body) > 0 {
		step.Call.Body = writ.Commit(salt, BlobBody, body)
	}
	if len(preimage) > 0 {
		step.Inverse.Preimage = writ.Commit(salt, BlobPreimage, preimage)
	}
	return Prepared{Step: step, Salt: salt, Body: body, Preimage: preimage}
}

// Check demands that the bytes are those the step commits to. Lease.Do and Lease.Undo call it first.
func (p Prepared) Check() error {
	if !matches(p.Step.Call.Body, p.Salt, BlobBody, p.Body) {
		return &writ.Refusal{Code: writ.ReasonCallAltered, Detail: fmt.Sprintf("step %s: the body is not the approved one", p.Step.Key)}
	}
	if !matches(p.Step.Inverse.Preimage, p.Salt, BlobPreimage, p.Preimage) {
		return &writ.Refusal{Code: writ.ReasonCallAltered, Detail: fmt.Sprintf("step %s: the pre-image is not the approved one", p.Step.Key)}
	}
	return nil
}

func matches(c writ.Commitment, salt [writ.SaltSize]byte, name string, b []byte) bool {
	if len(b) == 0 {
		return c.IsZero()
	}
	return c.Equal(writ.Commit(salt, name, b))
}
