package writ_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// reasons reads every code from the source, so that a new one cannot be forgotten.
func reasons(t *testing.T) []writ.Reason {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []writ.Reason
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, writ.Reason(s))
		}
		return true
	})
	return out
}

func TestEveryDenialTellsWhatWouldBeAllowed(t *testing.T) {
	all := reasons(t)
	if len(all) < 130 {
		t.Fatalf("only %d codes were found", len(all))
	}
	for _, r := range all {
		says := r.Nearest()
		if r == writ.ReasonAllowed || r == writ.ReasonNeedsApproval {
			if says != "" {
				t.Errorf("%s refuses nothing", r)
			}
			continue
		}
		if len(says) < 20 || len(says) > 300 || strings.HasSuffix(says, ".") || strings.ContainsAny(says, "\n") {
			t.Errorf("%s says %q", r, says)
		}
	}
}
