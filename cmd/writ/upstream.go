package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// upstreamUsage is the hint for a call that names no tool.
const upstreamUsage = "writ upstream list shows the tools"

func runUpstreamList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "upstream list", "", "Lists the tools of other MCP servers that the server's configuration allows, and whether a person has approved them.")
	r := remoteFlags(f)
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	return printList(a, r.format, r.UpstreamTools(ctx), "TOOL\tSTATE\tTEAM\tAPPROVED BY\tWHY", func(t writ.UpstreamTool) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", t.Name, t.State, t.Team, writ.Printable(t.By.Sub, 60), writ.Printable(t.Detail, 200))
	})
}

// upstreamTool asks a tool's upstream and returns what is known of the tool now.
func upstreamTool(ctx context.Context, r *remote, s string) (t writ.UpstreamTool, err error) {
	name, err := writ.ParseUpstreamToolName(s)
	if err != nil {
		return t, &usageError{"a tool is named <upstream>__<tool>, such as grafana__query_prometheus", upstreamUsage}
	}
	if err := r.open(); err != nil {
		return t, err
	}
	all, err := r.VerifyUpstream(ctx, name.Upstream)
	if err != nil {
		return t, err
	}
	i := slices.IndexFunc(all, func(t writ.UpstreamTool) bool { return t.Name == name })
	if i < 0 {
		return t, &writ.Refusal{Code: writ.ReasonUnknownReader, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("the configuration does not allow tool %s", name), Hint: upstreamUsage}
	}
	return all[i], nil
}

func (a *app) printUpstreamTool(r *remote, t writ.UpstreamTool) error {
	return a.print(r.format, t, func() {
		fmt.Fprintf(a.stdout, "%s  %s\n", t.Name, t.State)
		if t.Detail != "" {
			fmt.Fprintf(a.stdout, "  why       %s\n", writ.Printable(t.Detail, 200))
		}
		if t.Pinned != "" {
			fmt.Fprintf(a.stdout, "  approved  %s by %s\n", t.Pinned, writ.Printable(t.By.Sub, 100))
		}
		if t.Declared {
			fmt.Fprintln(a.stdout, "  vouched   a person says that it only reads, against its name or annotations")
		}
		if t.Offers != "" {
			fmt.Fprintf(a.stdout, "  offers    %s\n", t.Offers)
		}
		if t.Refused != "" {
			fmt.Fprintf(a.stdout, "  but       %s\n", writ.Printable(t.Refused, 300))
		}
		if what := t.Offered; len(what) > 0 {
			fmt.Fprint(a.stdout, "\nThe upstream's words, escaped:\n", lines(what))
		}
	})
}

// lines writes a definition over several lines, in which nothing is hidden.
func lines(definition json.RawMessage) string {
	var v any
	if json.Unmarshal(definition, &v) != nil {
		return ""
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	var w strings.Builder
	for line := range strings.SplitSeq(string(b), "\n") {
		w.WriteString("  " + writ.Printable(line, 5000) + "\n")
	}
	return w.String()
}

func runUpstreamShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "upstream show", "<upstream>__<tool>", "Asks the upstream, and shows what it offers now under this name and what was approved.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	t, err := upstreamTool(ctx, r, rest[0])
	if err != nil {
		return err
	}
	return a.printUpstreamTool(r, t)
}

func runUpstreamDiff(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "upstream diff", "<upstream>__<tool>", "Shows how what the upstream offers now differs from what was approved. The status is 5 when it does.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	t, err := upstreamTool(ctx, r, rest[0])
	if err != nil {
		return err
	}
	d := difference(lines(t.Definition), lines(t.Offered))
	if err := a.print(r.format, struct {
		Approved json.RawMessage `json:"approved"`
		Offered  json.RawMessage `json:"offered"`
	}{orNull(t.Definition), orNull(t.Offered)}, func() { fmt.Fprint(a.stdout, d) }); err != nil {
		return err
	}
	if t.Pinned != t.Offers {
		return &exitError{code: exitDiffers}
	}
	return nil
}

// difference marks the lines that only one of two texts has, in order: - was approved, + is offered. It is made of the
// longest common run of lines; definitions have a few thousand lines at most.
func difference(approved, offered string) string {
	a, b := strings.Split(strings.TrimSuffix(approved, "\n"), "\n"), strings.Split(strings.TrimSuffix(offered, "\n"), "\n")
	if len(a) > maxDiff || len(b) > maxDiff {
		return "- " + strings.Join(a, "\n- ") + "\n+ " + strings.Join(b, "\n+ ") + "\n"
	}
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var w strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			w.WriteString("  " + a[i] + "\n")
			i, j = i+1, j+1
		case j >= len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			w.WriteString("- " + a[i] + "\n")
			i++
		default:
			w.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	return w.String()
}

// maxDiff bounds the lines that are compared with one another: the table above has its square.
const maxDiff = 3000

func orNull(b json.RawMessage) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("null")
	}
	return b
}

func runUpstreamVerify(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "upstream verify", "<upstream>", "Asks an upstream what it offers now, and turns off what is not what was approved. The status is 5 when a tool is off.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 1)
	if err != nil {
		return err
	}
	all, err := r.VerifyUpstream(ctx, rest[0])
	if err != nil {
		return err
	}
	off := false
	if err := printList(a, r.format, each(all), "TOOL\tSTATE\tWHY", func(t writ.UpstreamTool) string {
		return fmt.Sprintf("%s\t%s\t%s", t.Name, t.State, writ.Printable(t.Detail, 200))
	}); err != nil {
		return err
	}
	for _, t := range all {
		off = off || t.State == writ.ToolOff
	}
	if off {
		return &exitError{code: exitDiffers}
	}
	return nil
}

func each[T any](all []T) func(yield func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func runUpstreamPin(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "upstream pin", "<upstream>__<tool> --digest sha256:… --reason … [--vouch-read]",
		"Approves what the upstream offers under this digest as a reading. You must be of the upstream's team, and have looked at it:\nwrit upstream show prints the digest. A tool whose name or annotations look like a change takes --vouch-read: you say that it only reads.")
	r := remoteFlags(f)
	digest := f.String("digest", "", "the `digest` of what you looked at")
	reason := f.String("reason", "", "why it only reads, and what it is for")
	vouch := f.Bool("vouch-read", false, "it only reads, although its name or annotations say otherwise")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	show := "writ upstream show " + writ.Printable(rest[0], 80) + " prints the digest"
	ask := writ.PinAsk{Read: true, Declared: *vouch, Reason: *reason}
	if ask.Name, err = writ.ParseUpstreamToolName(rest[0]); err != nil {
		return &usageError{"a tool is named <upstream>__<tool>, such as grafana__query_prometheus", upstreamUsage}
	}
	if ask.Digest, err = writ.ParseDigest(*digest); err != nil {
		return &usageError{"writ upstream pin takes the --digest of what you looked at", show}
	}
	if *reason == "" {
		return &usageError{"writ upstream pin takes a --reason", show}
	}
	if err := r.open(); err != nil {
		return err
	}
	t, err := r.Pin(ctx, ask)
	if err != nil {
		return err
	}
	return a.printUpstreamTool(r, t)
}

func runUpstreamUnpin(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "upstream unpin", "<upstream>__<tool> --reason …", "Turns a tool off until it is approved again. Any person may.")
	r := remoteFlags(f)
	reason := f.String("reason", "", "why")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	name, err := writ.ParseUpstreamToolName(rest[0])
	if err != nil {
		return &usageError{"a tool is named <upstream>__<tool>, such as grafana__query_prometheus", upstreamUsage}
	}
	if *reason == "" {
		return &usageError{"writ upstream unpin takes a --reason", "writ upstream unpin " + name.String() + " --reason \"…\""}
	}
	if err := r.open(); err != nil {
		return err
	}
	t, err := r.Unpin(ctx, name, *reason)
	if err != nil {
		return err
	}
	return a.printUpstreamTool(r, t)
}
