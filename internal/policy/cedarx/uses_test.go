package cedarx_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ/internal/policy/cedarx"
)

func TestUsesNameWhatARuleIsAbout(t *testing.T) {
	ps, err := cedarx.Parse("x.cedar", []byte(`
@id("a") forbid (principal is Agent in Team::"red", action, resource == Service::"shop")
when { context has n && 5 >= context.n + context.m && context.n < context.most && principal.roles.contains(Role::"repair") }
unless { action == Action::"x" };
@id("b") forbid (principal, action, resource) when { context == {"n": 1} };`))
	if err != nil {
		t.Fatal(err)
	}
	u := ps[0].Uses()
	if want := []string{"context.m", "context.most", "context.n", "principal.roles"}; !slices.Equal(u.Members, want) {
		t.Error(cmp.Diff(want, u.Members))
	}
	if !slices.Equal(u.Numbers["context.n"], []int64{5}) || !slices.Equal(u.Numbers["context.m"], []int64{5}) || len(u.Numbers["context.most"]) != 0 {
		t.Errorf("%v", u.Numbers)
	}
	if !slices.Equal(u.Pairs, [][2]string{{"context.n", "context.most"}}) || len(u.IDs) != 3 || !u.Action || u.Whole {
		t.Errorf("%+v", u)
	}
	if u := ps[1].Uses(); !u.Whole || u.Action {
		t.Errorf("a use of the whole context is not seen: %+v", u)
	}
}
