package main

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// trialTime is how long the command waits for the notice's end: a channel is tried for a minute, and looked at each second.
	trialTime = 75 * time.Second
	trialEach = 500 * time.Millisecond
)

// askTrial has the server send the caller a test notice, and waits for what becomes of it.
func (a *app) askTrial(ctx context.Context, r *remote, channel string) error {
	if err := r.open(); err != nil {
		return err
	}
	t, err := r.TestNotice(ctx, channel)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%s is on its way by %s\n", t.Notice, channel)
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	var x writ.ChannelStatus
	for !t.State.Final() {
		select {
		case <-ctx.Done():
			return &exitError{exitWaiting, fmt.Sprintf("test notice %s is %s; writ status shows how channel %s does", t.Notice, t.State, channel)}
		case <-time.After(trialEach):
		}
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		for _, c := range s.Channels {
			if c.Name == channel && c.Trial != nil && c.Trial.Notice == t.Notice {
				x, t = c, *c.Trial
			}
		}
		if x.Failing && t.State == writ.NoticeQueued && x.Failures > 0 && x.Failed != nil && x.Failed.After(t.At) {
			return &exitError{exitFailed, fmt.Sprintf("%s (%s) did not take the test notice: %s; the server tries again", channel, x.Kind, failed(x.Failure, x.Status))}
		}
	}
	if err := a.print(r.format, t, func() { fmt.Fprintf(a.stdout, "%s test notice %s by %s\n", t.State, t.Notice, channel) }); err != nil {
		return err
	}
	if t.State != writ.NoticeDelivered {
		return &exitError{exitFailed, ""}
	}
	return nil
}

// clocks shows which clocks are off, of runners and of the control plane's own processes.
func (a *app) clocks(s writ.Status) {
	for _, x := range s.Runners {
		if x.Clock != nil && x.Clock.Wrong() {
			fmt.Fprintf(a.stdout, "CLOCK of runner %s is off by %s against the control plane's; it is kept within %s\n", x.ID, x.Clock.Off(), writ.MaxClockOff)
		}
	}
	for _, x := range s.Replicas {
		if x.Clock.Wrong() {
			fmt.Fprintf(a.stdout, "CLOCK of replica %s is off by %s against the database's; it is kept within %s\n", writ.Printable(x.Name, 80), x.Clock.Off(), writ.MaxClockOff)
		}
	}
}
