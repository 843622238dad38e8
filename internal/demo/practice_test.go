package demo_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/demo"
)

// The storefront to practise on breaks for whoever has the secret of its file, which is nobody else's to read, and for nobody else.
func TestThePracticeStorefrontBreaksForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "shop")
	p, err := demo.OpenPractice(ctx, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { ended <- p.Wait(running) }()

	file := filepath.Join(dir, "storefront.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var door struct{ URL, Token string }
	if err := json.Unmarshal(b, &door); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, path, token string
		want                int
	}{
		"nobody":             {"POST", "/bad-release", "", http.StatusUnauthorized},
		"another":            {"POST", "/bad-release", door.Token + "x", http.StatusUnauthorized},
		"an unknown trouble": {"POST", "/earthquake", door.Token, http.StatusNotFound},
		"a reader":           {"GET", "/bad-release", door.Token, http.StatusNotFound},
		"the owner":          {"POST", "/none", door.Token, http.StatusNoContent},
	} {
		r, err := http.NewRequestWithContext(ctx, c.method, door.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	for _, trouble := range demo.Troubles() {
		if err := demo.Break(ctx, dir, trouble); err != nil {
			t.Errorf("%s: %v", trouble.Name, err)
		}
	}
	for _, who := range []string{"diagnose", "repair"} {
		if c, err := config.LoadClient(filepath.Join(dir, "cli-"+who+".yaml")); err != nil || c.Server != p.URL() {
			t.Errorf("%s has %+v, %v", who, c, err)
		}
	}
	if _, err := config.LoadServer(p.Installation().Server, true); err != nil {
		t.Error(err)
	}
	if _, err := demo.OpenPractice(ctx, dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a second storefront is opened over the first")
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
	if err := demo.Break(ctx, dir, demo.Troubles()[0]); err == nil {
		t.Error("a storefront that has ended breaks")
	}
	if _, err := demo.FindTrouble("earthquake"); err == nil {
		t.Error("there is an earthquake")
	}
}
