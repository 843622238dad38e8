package gateway

import (
	"context"
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

// A May says whether a call may be made: under which approval, and with which arguments, in canonical form and checked. An
// error is a no. It calls ask, which does not wait, as soon as the caller may ask the upstream anything, and decides the call
// while the upstream is asked.
type May func(ask func()) (pinned writ.Digest, arguments []byte, err error)

// Call makes one call if it may be made, within Timeout. While may decides, the upstream is asked what it offers, unless that is
// known as of ListLife ago: a question that has nothing of the call in it. Nothing of the call is sent before may has said yes, nor to a tool that is not
// the pinned one: then the error is *Changed. The error of may is returned as it is, also where there is no such upstream: who
// may not call does not learn which there are. The call is made once.
func (g *Gateway) Call(ctx context.Context, name writ.UpstreamToolName, may May) (Answer, error) {
	l, ok := g.links[name.Upstream]
	if !ok {
		if _, _, no := may(func() {}); no != nil {
			return Answer{}, no
		}
		return Answer{}, fmt.Errorf("%w: no upstream %q", writ.ErrNotFound, writ.Printable(name.Upstream, 60))
	}
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	var looked <-chan look
	ask := func() {
		if looked == nil {
			looked = l.look(ctx, name.Tool)
		}
	}
	pinned, arguments, no := may(ask)
	if no != nil {
		return Answer{}, no
	}
	ask()
	if err := l.offers(ctx, looked, name.Tool, pinned); err != nil {
		return Answer{}, err
	}
	s, err := l.open(ctx)
	if err != nil {
		return Answer{}, err
	}
	got, err := s.callTool(ctx, name.Tool, arguments)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) { // given up: others use the session
		return Answer{}, l.errReach()
	}
	if err != nil {
		return Answer{}, l.drop(ctx, s, err)
	}
	if len(got.InputRequests) > 0 {
		return Answer{}, l.drop(ctx, s, errInput)
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
