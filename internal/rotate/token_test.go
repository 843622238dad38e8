package rotate_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/token"
)

// A server that starts between two steps takes the tokens of every server that started between the same two or one step
// before.
func TestTheKeyOfControlPlaneTokensIsReplacedWithoutLosingATokenOnTheWay(t *testing.T) {
	k := rotate.Token{File: filepath.Join(t.TempDir(), "token.pem")}
	_, err := token.CreateKey(k.File, rand.Reader)
	must(t, err)
	const url = "https://writ.example"
	start := func() *token.Access {
		t.Helper()
		key, others, err := k.Load()
		must(t, err)
		a, err := token.NewAccess(url, key, others...)
		must(t, err)
		return a
	}
	now := time.Now()
	issue := func(a *token.Access) string {
		t.Helper()
		compact, _, err := a.Issue("https://idp.example", "repair", token.Confirmation{Thumbprint: strings.Repeat("A", 43)}, now, token.MaxAccessLife, rand.Reader)
		must(t, err)
		return compact
	}
	takes := func(what string, a *token.Access, compact string, want bool) {
		t.Helper()
		if _, err := a.Verify(compact, now); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused := func(what string, err error) {
		t.Helper()
		if r, ok := errors.AsType[*writ.Refusal](err); !ok || r.Code != writ.ReasonKeyRotation || r.Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}

	first := start()
	_, err = k.Switch()
	refused("switching without a next key", err)
	kid, err := k.Announce()
	must(t, err)
	if again, err := k.Announce(); err != nil || again != kid {
		t.Errorf("announced twice: %s and %s, %v", kid, again, err)
	}
	announced := start()
	takes("announced, old token", announced, issue(first), true)
	takes("first, its token", first, issue(announced), true)
	if got, err := k.Switch(); err != nil || got != kid {
		t.Errorf("%s %v", got, err)
	}
	switched := start()
	takes("announced, new token", announced, issue(switched), true)
	takes("switched, old token", switched, issue(announced), true)
	takes("first, new token", first, issue(switched), false)
	keys, err := k.Keys()
	if err != nil || len(keys) != 2 || keys[0].Use != "current" || keys[0].ID != kid || keys[1].Use != "previous" {
		t.Errorf("%+v %v", keys, err)
	}
	_, err = k.Announce()
	must(t, err)
	_, err = k.Switch()
	refused("switching while a previous key is there", err)
	refused("retiring while tokens of it may be alive", k.Retire(time.Now()))
	refused("a second too early", k.Retire(time.Now().Add(rotate.TokenOverlap-time.Second)))
	must(t, k.Retire(time.Now().Add(rotate.TokenOverlap+time.Second)))
	retired := start()
	takes("retired, old token", retired, issue(announced), false)
	takes("retired, new token", retired, issue(switched), true)
	if keys, err := k.Keys(); err != nil || len(keys) != 2 || keys[0].Use != "next" {
		t.Errorf("%+v %v", keys, err)
	}
	must(t, os.Remove(k.File))
	if _, _, err := k.Load(); err == nil {
		t.Error("a server starts without its key")
	}
}
