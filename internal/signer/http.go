package signer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
)

// Paths of the signer's door. Reach it over mutual TLS only: whoever may call it can append to the log's signed history.
const (
	PathSign = "/v1/sign" // POST signRequest -> signAnswer
	PathHead = "/v1/head" // GET -> headAnswer
)

type signRequest struct {
	Origin  string        `json:"origin"`
	Size    int64         `json:"size"`
	Root    writ.Digest   `json:"root"`
	OldSize int64         `json:"old_size"`
	Proof   []writ.Digest `json:"proof,omitempty"`
}

type signAnswer struct {
	Note []byte `json:"note"`
}

type headAnswer struct {
	Origin string      `json:"origin"`
	Size   int64       `json:"size"`
	Root   writ.Digest `json:"root"`
}

// problem is an RFC 9457 answer. Code is a writ.Reason, or the kind of error.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Codes of problems that are not refusals.
const (
	codeInvalid     = "invalid"
	codeStale       = "stale"
	codeUnavailable = "unavailable"
)

// maxBody is above the largest request: a proof has at most 128 hashes.
const maxBody = 32 << 10

// Handler serves a signer. The caller gives it TLS with client certificates.
func Handler(s ledger.Signer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathSign, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var in signRequest
		if err == nil {
			err = canon.ParseLoose(body, &in)
		}
		if err != nil {
			answerProblem(w, fmt.Errorf("%w: %w", writ.ErrInvalid, err))
			return
		}
		note, err := s.Sign(r.Context(), ledger.SignRequest{
			Origin: in.Origin, Next: ledger.Head{Size: in.Size, Root: in.Root}, From: in.OldSize, Proof: in.Proof,
		})
		if err != nil {
			answerProblem(w, err)
			return
		}
		answer(w, http.StatusOK, "application/json", signAnswer{note})
	})
	mux.HandleFunc("GET "+PathHead, func(w http.ResponseWriter, r *http.Request) {
		head, err := s.Head(r.Context())
		if err != nil {
			answerProblem(w, err)
			return
		}
		answer(w, http.StatusOK, "application/json", headAnswer{s.Verifier().Origin(), head.Size, head.Root})
	})
	return mux
}

func answerProblem(w http.ResponseWriter, err error) {
	p := problem{Detail: writ.Printable(err.Error(), 400)}
	switch {
	case writ.ReasonOf(err) == writ.ReasonLedgerFork:
		p.Title, p.Status, p.Code = "the log would be forked or rolled back", http.StatusUnprocessableEntity, string(writ.ReasonLedgerFork)
	case errors.Is(err, writ.ErrStale):
		p.Title, p.Status, p.Code = "the proof starts at another head", http.StatusConflict, codeStale
	case errors.Is(err, writ.ErrInvalid):
		p.Title, p.Status, p.Code = "the request is not valid", http.StatusBadRequest, codeInvalid
	default:
		p.Title, p.Status, p.Code = "nothing was signed", http.StatusServiceUnavailable, codeUnavailable
	}
	answer(w, p.Status, "application/problem+json", p)
}

func answer(w http.ResponseWriter, status int, kind string, v any) {
	b, err := json.Marshal(v)
	if err != nil { // none of the answers can fail to marshal
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b)
}

// A Client is a ledger.Signer at the other end of Handler. It believes no answer that its own copy of the log's key
// does not verify. It is safe for concurrent use.
type Client struct {
	url      string
	http     *http.Client
	verifier ledger.Verifier
}

// NewClient returns a client of the signer at baseURL. The HTTP client carries TLS and a time limit; the verifier is
// configured, never asked for.
func NewClient(baseURL string, c *http.Client, v ledger.Verifier) (*Client, error) {
	if c == nil || v.Origin() == "" || !strings.HasPrefix(baseURL, "http") {
		return nil, fmt.Errorf("%w: signer client: URL, HTTP client and log key must be given", writ.ErrInvalid)
	}
	return &Client{strings.TrimSuffix(baseURL, "/"), c, v}, nil
}

// Verifier returns the configured log key.
func (c *Client) Verifier() ledger.Verifier { return c.verifier }

// Head asks for the last head.
func (c *Client) Head(ctx context.Context) (ledger.Head, error) {
	var out headAnswer
	if err := c.call(ctx, http.MethodGet, PathHead, nil, &out); err != nil {
		return ledger.Head{}, err
	}
	if out.Origin != c.verifier.Origin() || out.Size < 0 || out.Size > ledger.MaxSize {
		return ledger.Head{}, fmt.Errorf("%w: the signer at %s signs the log %q", writ.ErrInvalid, c.url, writ.Printable(out.Origin, 80))
	}
	return ledger.Head{Size: out.Size, Root: out.Root}, nil
}

// Sign asks for a signature and verifies it.
func (c *Client) Sign(ctx context.Context, r ledger.SignRequest) ([]byte, error) {
	body, err := canon.Marshal(signRequest{r.Origin, r.Next.Size, r.Next.Root, r.From, r.Proof})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	var out signAnswer
	if err := c.call(ctx, http.MethodPost, PathSign, body, &out); err != nil {
		return nil, err
	}
	got, err := c.verifier.Open(out.Note)
	if err != nil {
		return nil, err
	}
	if !got.Head().Equal(r.Next) {
		return nil, fmt.Errorf("%w: the signer signed %s, not %s", writ.ErrInvalid, got.Head(), r.Next)
	}
	return out.Note, nil
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: signer: %w", writ.ErrUnavailable, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return fmt.Errorf("%w: signer: %w", writ.ErrUnavailable, err)
	}
	if res.StatusCode == http.StatusOK {
		if err := canon.ParseLoose(b, out); err != nil {
			return fmt.Errorf("%w: the signer's answer: %w", writ.ErrUnavailable, err)
		}
		return nil
	}
	var p problem
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%w: the signer answered %s", writ.ErrUnavailable, res.Status)
	}
	detail := writ.Printable(p.Detail, 400)
	switch p.Code {
	case string(writ.ReasonLedgerFork):
		return writ.Refuse(writ.ReasonLedgerFork, strings.TrimPrefix(detail, string(writ.ReasonLedgerFork)+": "))
	case codeStale:
		return fmt.Errorf("%w: signer: %s", writ.ErrStale, detail)
	case codeInvalid:
		return fmt.Errorf("%w: signer: %s", writ.ErrInvalid, detail)
	}
	return fmt.Errorf("%w: signer: %s", writ.ErrUnavailable, detail)
}
