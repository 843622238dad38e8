package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/server"
)

// notifyFlags are those of the commands that read the server's own configuration: its secrets are on its machine alone.
func notifyFlags(f *flags) func() (config.Server, bool, error) {
	file := f.String("c", "", "the control plane's configuration `file`")
	dev := f.Bool("dev", false, "the configuration is for --dev")
	return func() (config.Server, bool, error) {
		if *file == "" {
			return config.Server{}, false, &usageError{"name the control plane's configuration with -c", "writ notify list -c writ.yaml"}
		}
		c, err := config.LoadServer(*file, *dev)
		return c, *dev, err
	}
}

func runNotifyList(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "notify list", "-c writ.yaml [--dev]", "Lists the channels of notices, and who is told of what. writ status shows which channels fail.")
	load := notifyFlags(f)
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	c, dev, err := load()
	if err != nil {
		return err
	}
	channels, err := server.NoticeChannels(c, dev)
	if err != nil {
		return err
	}
	if len(channels) == 0 {
		fmt.Fprintln(a.stdout, "nobody is told of anything: the configuration has no notify")
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		fmt.Fprintf(a.stdout, "channel %s: %s\n", name, channels[name].Kind())
	}
	routes, _ := c.NoticeRoutes()
	for i, r := range routes {
		fmt.Fprintf(a.stdout, "route %d: %s: %s\n", i+1, conditions(r), hops(r))
	}
	return nil
}

// conditions says when a route is taken.
func conditions(r notice.Route) string {
	var out []string
	for _, e := range r.Events {
		out = append(out, string(e))
	}
	if len(r.Teams) > 0 {
		out = append(out, "team "+strings.Join(r.Teams, " or "))
	}
	if r.Severity > 0 {
		out = append(out, fmt.Sprintf("severity %d or worse", r.Severity))
	}
	if len(out) == 0 {
		return "anything else"
	}
	return strings.Join(out, ", ")
}

// hops says who is told, in order.
func hops(r notice.Route) string {
	if r.Silent {
		return "nobody"
	}
	var out []string
	for _, h := range r.Hops {
		s := h.Channel
		if h.Group != "" {
			s = "each of " + h.Group + " by " + s
		}
		if h.Wait == 0 {
			h.Wait = notice.Untold
		}
		out = append(out, fmt.Sprintf("%s (%s)", s, h.Wait))
	}
	return strings.Join(out, ", then ")
}

func runNotifyTest(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "notify test", "<channel> [-c writ.yaml [--to person] [--dev]]", "Has the server send you a notice marked as a test, and prints what became of it, which is an entry of the ledger.\nWith -c it is sent from here instead, by the configuration's own secrets: one attempt, and no entry.")
	r := remoteFlags(f)
	load := notifyFlags(f)
	to := f.String("to", "", "the subject of an `approver` who has a contact on the channel")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if f.Lookup("c").Value.String() == "" {
		if *to != "" {
			return &usageError{"--to goes with -c: the server sends a test to its caller alone", "writ notify test " + writ.Printable(rest[0], 60)}
		}
		return a.askTrial(ctx, r, rest[0])
	}
	c, dev, err := load()
	if err != nil {
		return err
	}
	channels, err := server.NoticeChannels(c, dev)
	if err != nil {
		return err
	}
	x, ok := channels[rest[0]]
	if !ok {
		return &usageError{fmt.Sprintf("there is no channel %q; channels are %s", writ.Printable(rest[0], 60), strings.Join(slices.Sorted(maps.Keys(channels)), ", ")), "writ notify list -c writ.yaml"}
	}
	address := ""
	if *to != "" {
		for _, m := range c.Approvers {
			if m.Sub == *to {
				address = m.Contact[rest[0]]
			}
		}
		if address == "" {
			return &usageError{fmt.Sprintf("no approver %q has a contact on %s", writ.Printable(*to, 60), rest[0]), "add contact: to the approver in the configuration"}
		}
	}
	id, err := ident.New("ntc", time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	test := notice.Fact{Event: writ.NoticeTest, Subject: "test", Sentence: "This is a test that somebody asked for with writ notify test. Nothing happened, and nothing is to be done.", At: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, notice.SendLimit)
	defer cancel()
	sent := x.Send(ctx, address, notice.Compose(id+".0", []notice.Fact{test}, 1, false, strings.TrimSuffix(c.ExternalURL, "/")))
	if sent.Failure != "" {
		return &exitError{exitFailed, fmt.Sprintf("%s (%s) did not take the test notice: %s", rest[0], x.Kind(), failed(sent.Failure, sent.Status))}
	}
	fmt.Fprintf(a.stdout, "✔ %s (%s) took the test notice %s\n", rest[0], x.Kind(), id)
	return nil
}

// failed says why a channel did not take a notice.
func failed(f writ.NoticeFailure, status int) string {
	if status == 0 {
		return string(f)
	}
	return fmt.Sprintf("%s, answer %d", f, status)
}

// channels shows the channels of notices that fail.
func (a *app) channels(s writ.Status) {
	for _, x := range s.Channels {
		if x.Failing {
			fmt.Fprintf(a.stdout, "FAILING channel %s (%s): %s, %d attempts in a row; people may not hear of what happens\n", writ.Printable(x.Name, 80), x.Kind, failed(x.Failure, x.Status), x.Failures)
		}
	}
}
