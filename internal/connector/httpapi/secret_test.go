package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/storefront"
)

func TestI20NoSecretInAnyError(t *testing.T) {
	s, w, x := wired(t)
	p := plan(t, x, setRelease("checkout", "v40"))
	var secrets []string
	for name, b := range s.Files() {
		if name != storefront.FileDocument {
			secrets = append(secrets, string(b))
		}
	}
	w.will(func(r *http.Request) fate {
		if isWrite(r) || r.URL.Path == "/oauth/revoke" {
			return losesAnswer
		}
		return passes
	})
	l, err := x.Lease(t.Context(), request(false, p), func(h []byte) error {
		var in struct{ Subject, Token string }
		if err := json.Unmarshal(h, &in); err != nil {
			return err
		}
		secrets = append(secrets, in.Subject)
		if in.Token != "" {
			secrets = append(secrets, in.Token)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out := l.Do(t.Context(), p)
	said := []string{out.Detail, l.Settle(t.Context(), p).Detail}
	if err := l.Revoke(context.Background()); err != nil {
		said = append(said, err.Error())
	}
	if len(secrets) < 5 || len(said) != 3 {
		t.Fatalf("%d secrets, said %q", len(secrets), said)
	}
	for _, text := range said {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("a secret in %q", text)
			}
		}
	}
}
