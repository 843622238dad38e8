package client

import (
	"context"
	"crypto/ecdsa"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// pathRuns is where grants are presented; proofs name it.
const pathRuns = "/v1/runs"

// Present presents a grant that the agent holds, with a proof of its key that is made for this call (RFC 9449), and
// returns the run that the grant is for; see WaitRun. The runner must take it up within a minute. If it does not, the run
// stays granted with the reason proof_expired, and Present may be called again until the grant expires: the plan runs once
// at most.
//
// The proof names Config.ExternalURL, which must be the server's external_url.
func (c *Client) Present(ctx context.Context, grant string, key *ecdsa.PrivateKey) (writ.RunStatus, error) {
	var r writ.RunStatus
	proof, err := prove(key, http.MethodPost, c.named+pathRuns, grant, "", time.Now())
	if err != nil {
		return r, err
	}
	return r, c.do(ctx, call{method: http.MethodPost, path: pathRuns, creates: true, body: struct {
		Grant string `json:"grant"`
		Proof string `json:"proof"`
	}{grant, proof}}, &r)
}
