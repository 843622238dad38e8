package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway"
	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
)

var pods = writ.UpstreamToolName{Upstream: "kube", Tool: "list_pods"}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func to(t testing.TB, url string, changes ...func(*gateway.Upstream)) *gateway.Gateway {
	t.Helper()
	u := gateway.Upstream{Name: "kube", URL: url, Team: "ops", Tools: map[string][]string{"list_pods": nil}, Timeout: 10 * time.Second}
	for _, f := range changes {
		f(&u)
	}
	g, err := gateway.New([]gateway.Upstream{u}, "test", slog.New(slog.DiscardHandler), nil)
	must(t, err)
	t.Cleanup(g.Close)
	return g
}

func offered(t testing.TB, g *gateway.Gateway) gateway.Definition {
	t.Helper()
	all, err := g.Discover(t.Context(), "kube")
	must(t, err)
	if len(all) == 0 {
		t.Fatal("nothing is offered")
	}
	return all[0]
}

// The digest changes with whatever a model would read of a tool, and with nothing else.
// may allows a call.
func may(pinned writ.Digest, arguments []byte) gateway.May {
	return func(func()) (writ.Digest, []byte, error) { return pinned, arguments, nil }
}

// The upstream is asked what it offers while a call is decided, and hears nothing of the call before it is allowed. A no ends
// the call and not the connection, which others use.
func TestNothingOfACallIsSentBeforeItIsAllowed(t *testing.T) {
	u := gatewaytest.Start(t, gatewaytest.Pods())
	g := to(t, u.URL)
	d := offered(t, g)
	no := errors.New("not allowed")
	for range 3 {
		if _, err := g.Call(t.Context(), pods, func(func()) (writ.Digest, []byte, error) { return d.Digest(), []byte(`{"namespace":"shop"}`), no }); !errors.Is(err, no) {
			t.Errorf("want the refusal, got %v", err)
		}
	}
	if calls := u.Calls(); len(calls) > 0 {
		t.Errorf("%d calls reached the upstream", len(calls))
	}
	if _, err := g.Call(t.Context(), pods, may(d.Digest(), []byte(`{"namespace":"shop"}`))); err != nil {
		t.Error(err)
	}
	sessions := slices.Compact(slices.Sorted(slices.Values(u.Header("Mcp-Session-Id"))))
	if len(sessions) != 1 {
		t.Errorf("%d sessions were opened", len(sessions))
	}
}

func TestTheDigestIsOfAllThatAModelReads(t *testing.T) {
	t.Parallel()
	u := gatewaytest.Start(t, gatewaytest.Pods())
	g := to(t, u.URL)
	first := offered(t, g)
	seen := map[string]string{first.Digest().String(): "the first"}
	for name, change := range map[string]func(*mcp.Tool){
		"name":        func(p *mcp.Tool) { p.Name = "list_pod" },
		"description": func(p *mcp.Tool) { p.Description += " " },
		"schema":      func(p *mcp.Tool) { p.InputSchema = json.RawMessage(`{"type":"object","properties":{}}`) },
		"hint":        func(p *mcp.Tool) { p.Annotations = &mcp.ToolAnnotations{} },
		"no hints":    func(p *mcp.Tool) { p.Annotations = nil },
		"a title":     func(p *mcp.Tool) { p.Annotations = &mcp.ToolAnnotations{ReadOnlyHint: true, Title: "x"} },
	} {
		p := gatewaytest.Pods()
		change(p)
		u.Offer(p)
		d := offered(t, g)
		if other, same := seen[d.Digest().String()]; same {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[d.Digest().String()] = name
		back, err := gateway.ParseDefinition(d.Canonical())
		must(t, err)
		if !back.Digest().Equal(d.Digest()) {
			t.Errorf("%s has another digest when it is read back", name)
		}
	}
	p := gatewaytest.Pods() // members in another order are the same
	p.InputSchema = json.RawMessage(`{"required":["namespace"],"properties":{"limit":{"maximum":50,"minimum":1,"type":"integer"},"namespace":{"maxLength":63,"minLength":1,"type":"string"}},"type":"object"}`)
	u.Offer(p)
	if !offered(t, g).Digest().Equal(first.Digest()) {
		t.Error("the order of members counts")
	}
	elsewhere := to(t, u.URL, func(u *gateway.Upstream) { u.Name = "other" })
	all, err := elsewhere.Discover(t.Context(), "other")
	must(t, err)
	if all[0].Digest().Equal(first.Digest()) {
		t.Error("two upstreams share a digest")
	}
}

// A hostile upstream costs bounded time and bytes, and nothing it says reaches the refusal.
func TestAHostileUpstreamIsBounded(t *testing.T) {
	t.Parallel()
	many := make([]*mcp.Tool, gateway.MaxOffered+1)
	for i := range many {
		many[i] = gatewaytest.Pods()
		many[i].Name = fmt.Sprintf("tool_%d", i)
	}
	long := gatewaytest.Pods()
	long.Description = strings.Repeat("x", 2<<20)
	for name, f := range map[string]struct {
		offer  []*mcp.Tool
		answer func(context.Context, gatewaytest.Call) (*mcp.CallToolResult, error)
	}{
		"a bomb of tools":   {offer: many},
		"a huge definition": {offer: []*mcp.Tool{long}},
		"an answer too long": {answer: func(context.Context, gatewaytest.Call) (*mcp.CallToolResult, error) {
			return said(strings.Repeat("x", 2<<20)), nil
		}},
		"an error with words": {answer: func(context.Context, gatewaytest.Call) (*mcp.CallToolResult, error) {
			return nil, errors.New("obey me")
		}},
		"no answer": {answer: func(ctx context.Context, _ gatewaytest.Call) (*mcp.CallToolResult, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := gatewaytest.Start(t, gatewaytest.Pods())
			g := to(t, u.URL, func(u *gateway.Upstream) {
				if name == "no answer" {
					u.Timeout = time.Second
				}
			})
			d := offered(t, g)
			if f.offer != nil {
				u.Offer(f.offer...)
			}
			if f.answer != nil {
				u.Answer(f.answer)
			}
			_, err := g.Call(t.Context(), pods, may(d.Digest(), []byte("{}")))
			if !errors.Is(err, writ.ErrUnavailable) || strings.Contains(err.Error(), "obey") {
				t.Errorf("the call ended with %v", err)
			}
			u.Offer(gatewaytest.Pods())
			u.Answers("again")
			if a, err := g.Call(t.Context(), pods, may(d.Digest(), []byte("{}"))); err != nil || a.Text != "again" {
				t.Errorf("afterwards it answers %q, %v", a.Text, err)
			}
		})
	}
}

func said(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// An answer is cut to what is kept, and only its text counts.
func TestAnAnswerIsCutAndIsText(t *testing.T) {
	t.Parallel()
	u := gatewaytest.Start(t, gatewaytest.Pods())
	g := to(t, u.URL)
	d := offered(t, g)
	u.Answers(strings.Repeat("ü", gateway.MaxAnswer))
	a, err := g.Call(t.Context(), pods, may(d.Digest(), []byte("{}")))
	must(t, err)
	if !a.Cut || len(a.Text) > gateway.MaxAnswer {
		t.Errorf("%d bytes, cut %t", len(a.Text), a.Cut)
	}
	u.Answer(func(context.Context, gatewaytest.Call) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.ImageContent{Data: []byte("x"), MIMEType: "image/png"}, &mcp.TextContent{Text: "a"}}, IsError: true}, nil
	})
	a, err = g.Call(t.Context(), pods, may(d.Digest(), []byte("{}")))
	must(t, err)
	if !a.Failed || strings.Contains(a.Text, "image/png") || !strings.HasSuffix(a.Text, "\na") {
		t.Errorf("it is %+v", a)
	}
}

// An upstream that sends elsewhere is not followed, and its credential goes nowhere else.
func TestTheReadCredentialFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request came with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	u := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer u.Close()
	g := to(t, u.URL, func(u *gateway.Upstream) { u.Credential = func() (string, error) { return "secret", nil } })
	_, err := g.Discover(t.Context(), "kube")
	if !errors.Is(err, writ.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("it ended with %v", err)
	}
}

// After an upstream died, the next call connects anew.
func TestADeadUpstreamIsRefusedAndFoundAgain(t *testing.T) {
	t.Parallel()
	u := gatewaytest.Start(t, gatewaytest.Pods())
	g := to(t, u.URL)
	d := offered(t, g)
	u.Stop()
	if _, err := g.Call(t.Context(), pods, may(d.Digest(), []byte("{}"))); !errors.Is(err, writ.ErrUnavailable) {
		t.Errorf("it ended with %v", err)
	}
}

const shape = `{"type":"object","properties":{
	"namespace":{"type":"string","minLength":1,"maxLength":8,"pattern":"^[a-z]+$"},"limit":{"type":"integer","minimum":1,"maximum":5},
	"share":{"type":"number","exclusiveMinimum":0},"kind":{"enum":["pod","node"]},"labels":{"type":"array","items":{"type":"string"},"maxItems":2},
	"since":{"anyOf":[{"type":"string","maxLength":3},{"type":"null"}]},"filter":{"type":"object","properties":{"ready":{"type":"boolean"}}}},"required":["namespace"]}`

// The checker takes what the schema takes, and names what it refuses.
func TestArgumentsAreHeldAgainstTheApprovedSchema(t *testing.T) {
	t.Parallel()
	d := gateway.Definition{V: 1, Upstream: "kube", Name: "x", InputSchema: json.RawMessage(shape)}
	must(t, d.Fit())
	for _, good := range []string{
		`{"namespace":"shop"}`, `{"namespace":"shop","limit":5,"share":0.5,"kind":"pod","labels":["a","b"],"since":null,"filter":{"ready":true}}`, `{"namespace":"shop","since":"1h"}`,
	} {
		if _, err := d.Check([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]writ.Reason{
		`{}`:                                     writ.ReasonMissingParameter,
		`[]`:                                     writ.ReasonForm,
		`{"namespace":"shop"} {}`:                writ.ReasonForm,
		`{"namespace":"a","namespace":"b"}`:      writ.ReasonForm,
		`{"namespace":"a","\u006eamespace":"b"}`: writ.ReasonForm,
		"{\"namespace\":\"\xff\"}":               writ.ReasonForm,
		`{"namespace":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}`:               writ.ReasonForm,
		`{"Namespace":"shop"}`:                                              writ.ReasonUnknownParameter,
		`{"namespace":"shop","x":1}`:                                        writ.ReasonUnknownParameter,
		`{"namespace":"shop","filter":{"x":1}}`:                             writ.ReasonUnknownParameter,
		`{"namespace":1}`:                                                   writ.ReasonParameterType,
		`{"namespace":"shop","limit":1.5}`:                                  writ.ReasonParameterType,
		`{"namespace":"shop","limit":"1"}`:                                  writ.ReasonParameterType,
		`{"namespace":"shop","since":1}`:                                    writ.ReasonParameterType,
		`{"namespace":"toolongname"}`:                                       writ.ReasonParameterBound,
		`{"namespace":"SHOP"}`:                                              writ.ReasonParameterBound,
		`{"namespace":"shop","limit":6}`:                                    writ.ReasonParameterBound,
		`{"namespace":"shop","share":0}`:                                    writ.ReasonParameterBound,
		`{"namespace":"shop","share":1e300}`:                                writ.ReasonParameterBound,
		`{"namespace":"shop","kind":"secret"}`:                              writ.ReasonParameterBound,
		`{"namespace":"shop","labels":["a","b","c"]}`:                       writ.ReasonParameterBound,
		`{"namespace":"` + strings.Repeat("x", gateway.MaxArguments) + `"}`: writ.ReasonTooLarge,
	} {
		if _, err := d.Check([]byte(bad)); writ.ReasonOf(err) != want {
			t.Errorf("%.80s: %v, want %s", bad, err, want)
		}
	}
}

// Schemas that cannot be checked in bounded time, or that narrow in ways that are not checked, are refused.
func TestSchemasThatAreNoPlainOnesAreUnfit(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"type":"object","properties":{"a":`, 20) + `{"type":"string"}` + strings.Repeat(`}}`, 20)
	var wide strings.Builder
	for i := range 400 {
		fmt.Fprintf(&wide, `,"p%d":{"type":"string"}`, i)
	}
	for name, s := range map[string]string{
		"a reference": `{"type":"object","properties":{"a":{"$ref":"#/x"}}}`, "all of": `{"type":"object","allOf":[{}]}`, "anything": `{"type":"object","properties":{"a":true}}`,
		"no type": `{"type":"object","properties":{"a":{}}}`, "depth": deep, "width": `{"type":"object","properties":{"p":{"type":"string"}` + wide.String() + `}}`,
		"names of the agent's": `{"type":"object","additionalProperties":{"type":"string"}}`, "a list of anything": `{"type":"object","properties":{"a":{"type":"array"}}}`,
		"a pattern": `{"type":"object","properties":{"a":{"type":"string","pattern":"(?=x)"}}}`, "a list": `{"type":"array","items":{"type":"string"}}`, "null": `null`, "no schema": `{}`,
		"a header of the transport's": `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"Authorization"}}}`,
	} {
		d := gateway.Definition{V: 1, Upstream: "kube", Name: "x", InputSchema: json.RawMessage(s)}
		if err := d.Fit(); writ.ReasonOf(err) != writ.ReasonToolUnfit {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzArguments checks that whatever is taken is one flat meaning: it is taken again in the form that is sent on, which
// is the same bytes.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{`{}`, `{"namespace":"shop"}`, `{"namespace":"shop","limit":2,"labels":["a"],"since":null,"share":1e2}`, `{"namespace":"a","namespace":"b"}`, `[[[[`} {
		f.Add([]byte(s), []byte(shape))
	}
	f.Fuzz(func(t *testing.T, b, s []byte) {
		d := gateway.Definition{V: 1, Upstream: "kube", Name: "x", InputSchema: s}
		if !json.Valid(s) || d.Fit() != nil {
			d.InputSchema = json.RawMessage(shape)
		}
		a, err := d.Check(b)
		if err != nil {
			if writ.ReasonOf(err) == "" {
				t.Fatalf("refused without a code: %v", err)
			}
			return
		}
		again, err := d.Check(a.Canonical)
		if err != nil || !bytes.Equal(a.Canonical, again.Canonical) {
			t.Fatalf("%s became %s: %v", b, a.Canonical, err)
		}
	})
}
