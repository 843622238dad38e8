package authn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// A Review says which API server is asked about tokens, and as whom. The account needs the right to create
// tokenreviews.authentication.k8s.io and no other.
//
// An API server keeps a good answer for ten seconds, so a deleted pod's or account's token can look alive that long.
type Review struct {
	URL       string // of the API server
	CAFile    string // PEM certificates that vouch for it; empty for the system's
	TokenFile string // holds the account's token; read for each question, since the kubelet renews it
}

// A reviewer asks one API server (authentication.k8s.io/v1 TokenReview).
type reviewer struct {
	url, tokenFile, audience string
	client                   *http.Client
}

func newReviewer(r Review, audience string) (*reviewer, error) {
	if !fetchable(r.URL, false) || r.TokenFile == "" {
		return nil, fmt.Errorf("%w: token_review needs an https URL and a token file", writ.ErrInvalid)
	}
	c, err := client(r.CAFile)
	if err != nil {
		return nil, err
	}
	return &reviewer{strings.TrimSuffix(r.URL, "/") + "/apis/authentication.k8s.io/v1/tokenreviews", r.TokenFile, audience, c}, nil
}

// tokenReview is the part of the API object that is used here.
type tokenReview struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Token     string   `json:"token"`
		Audiences []string `json:"audiences"`
	} `json:"spec"`
	Status struct {
		Authenticated bool     `json:"authenticated"`
		Audiences     []string `json:"audiences"`
		User          struct {
			UID string `json:"uid"`
		} `json:"user"`
	} `json:"status"`
}

// ask refuses a token that the API server does not know as one for us, of the account with this uid.
func (v *reviewer) ask(ctx context.Context, raw, uid string) error {
	answer, err := v.review(ctx, raw)
	if err != nil {
		return refuseBecause(CodeReviewUnavailable, err)
	}
	s := answer.Status
	if !s.Authenticated || uid == "" || s.User.UID != uid || !slices.Equal(s.Audiences, []string{v.audience}) {
		return refuse(CodeReviewRefused)
	}
	return nil
}

// review makes one request, within fetchTime. Its errors hold no part of either token.
func (v *reviewer) review(ctx context.Context, raw string) (tokenReview, error) {
	var q, a tokenReview
	q.APIVersion, q.Kind = "authentication.k8s.io/v1", "TokenReview"
	q.Spec.Token, q.Spec.Audiences = raw, []string{v.audience}
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	own, err := os.ReadFile(v.tokenFile)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(own)))
	req.Header.Set("Content-Type", "application/json")
	resp, err := v.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	if resp.StatusCode != http.StatusCreated {
		return a, fmt.Errorf("the API server answers %d", resp.StatusCode)
	}
	return a, json.Unmarshal(b, &a)
}
