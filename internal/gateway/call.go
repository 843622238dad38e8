package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// An Answer is what a tool said, as text.
type Answer struct {
	Text   string
	Cut    bool // it was longer than MaxAnswer
	Failed bool // by the tool's own word
}

// Changed says that a tool is not what was approved; Offered is nil when it is gone.
type Changed struct{ Offered *Definition }

// Error implements error.
func (c *Changed) Error() string {
	if c.Offered == nil {
		return "the upstream no longer offers the tool"
	}
	return "the upstream offers another tool under this name"
}

// Compare finds the tool of this name among what is offered, and returns *Changed unless it is the pinned one.
func Compare(offered []Definition, name string, pinned writ.Digest) error {
	i := slices.IndexFunc(offered, func(d Definition) bool { return d.Name == name })
	if i < 0 {
		return &Changed{}
	}
	if d := offered[i]; d.twice || !d.Digest().Equal(pinned) {
		return &Changed{&d}
	}
	return nil
}

// Call makes one call, at most Timeout. The upstream is asked first what it offers now, and nothing is sent to a tool that
// is not the pinned one: then the error is *Changed. Arguments are in canonical form and checked. The call is made once.
func (g *Gateway) Call(ctx context.Context, name writ.UpstreamToolName, pinned writ.Digest, arguments []byte) (Answer, error) {
	l, ok := g.links[name.Upstream]
	if !ok {
		return Answer{}, fmt.Errorf("%w: no upstream %q", writ.ErrNotFound, writ.Printable(name.Upstream, 60))
	}
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	offered, err := l.discover(ctx)
	if err != nil {
		return Answer{}, err
	}
	if err := Compare(offered, name.Tool, pinned); err != nil {
		return Answer{}, err
	}
	s, err := l.open(ctx)
	if err != nil {
		return Answer{}, err
	}
	got, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name.Tool, Arguments: json.RawMessage(arguments)})
	if err != nil {
		return Answer{}, l.drop(ctx, s, err)
	}
	if len(got.InputRequests) > 0 {
		return Answer{}, l.drop(ctx, s, errors.New("it asks for input"))
	}
	return answer(got), nil
}

// answer keeps the text of a result. Structured content is kept where there is no text; whatever is no text is named and
// left out.
func answer(r *mcp.CallToolResult) Answer {
	var w strings.Builder
	for _, c := range r.Content {
		if w.Len() > MaxAnswer {
			break
		}
		if t, ok := c.(*mcp.TextContent); ok {
			w.WriteString(t.Text + "\n")
		} else {
			w.WriteString("[content that is no text was left out]\n")
		}
	}
	if w.Len() == 0 && r.StructuredContent != nil {
		if b, err := canonical(r.StructuredContent); err == nil {
			w.Write(b)
		}
	}
	text := strings.ToValidUTF8(strings.TrimSuffix(w.String(), "\n"), "\uFFFD")
	a := Answer{Text: text, Failed: r.IsError}
	if len(text) > MaxAnswer {
		a.Text, a.Cut = strings.ToValidUTF8(text[:MaxAnswer], ""), true
	}
	return a
}
