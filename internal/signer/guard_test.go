package signer_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/signer"
)

// A genuine signature over another head than the one asked for is none: an entry that it does not cover would be told
// as acknowledged.
func TestI17ASignatureOverAnotherHeadIsNotTaken(t *testing.T) {
	a := grow("a", 9)
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: 7, Root: a.heads[7].Root}, key(1))
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]any{
		signer.PathSign: map[string]any{"note": note},
		signer.PathHead: map[string]any{"origin": "ledger.example/test", "root": a.heads[7].Root, "size": 7},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewEncoder(w).Encode(answers[r.URL.Path]); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	s, _ := start(t)
	c, err := signer.NewClient(server.URL, server.Client(), s.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Sign(t.Context(), a.request(0, 7)); err != nil || string(got) != string(note) {
		t.Fatalf("the head that was asked for: %q, %v", got, err)
	}
	if _, err := c.Sign(t.Context(), a.request(7, 9)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a note of size 7 was taken for one of size 9: %v", err)
	}
	if head, err := c.Head(t.Context()); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("the head of another log was taken: %v, %v", head, err)
	}
}
