// Package bridge carries MCP messages between an agent that speaks over standard input and output and a Writ that speaks
// HTTP. It adds the agent's credential, which the agent itself need not see, and understands no more of a message than what
// the transports differ in.
//
// Standard input and output carry one JSON message a line, without line breaks inside, and nothing else (MCP, transports, stdio).
package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"

	"github.com/writ-dev/writ"
)

// Limits of the bridge.
const (
	maxMessage = 256 << 10 // bytes of a message to Writ, which takes no more
	maxAnswer  = 4 << 20   // bytes of one message from it: the list of tools has some ten thousand
	atOnce     = 64        // calls under way; the next line waits. An agent has a few
)

// A Server is Writ's door for agents. MCP may be called concurrently; its error matches writ.ErrUnavailable when no answer
// came.
type Server interface {
	MCP(ctx context.Context, header http.Header, message []byte) (*http.Response, error)
}

// A Bridge serves one agent. Make it with New.
type Bridge struct {
	server Server
	log    *slog.Logger
	out    io.Writer

	mu       sync.Mutex // guards what follows, and each line written to out
	calls    map[string]context.CancelFunc
	revision string // that initialize agreed on
}

// New returns a bridge that answers to out.
func New(server Server, out io.Writer, log *slog.Logger) *Bridge {
	return &Bridge{server: server, out: out, log: log, calls: map[string]context.CancelFunc{}}
}

// Serve reads messages until in ends, waits for the calls under way, and returns nil; when ctx ends they end with it.
func (b *Bridge) Serve(ctx context.Context, in io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines, failed := make(chan line), make(chan error, 1)
	go func() { failed <- scan(ctx, bufio.NewReader(in), lines) }()
	var under sync.WaitGroup
	defer under.Wait()
	free := make(chan struct{}, atOnce)
	for {
		select {
		case <-ctx.Done():
			return nil // the reader may stay in its read: the process ends
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("%w: standard input: %w", writ.ErrUnavailable, err)
		case l := <-lines:
			if l.tooLong {
				b.fail(nil, codeInvalid, fmt.Sprintf("a message has at most %d bytes", maxMessage))
				continue
			}
			m, err := parse(l.text)
			if err != nil {
				b.fail(nil, codeParse, err.Error())
				continue
			}
			if m.cancels != "" {
				b.cancel(m.cancels)
				continue
			}
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			call, done, err := b.begin(ctx, m)
			if err != nil {
				b.fail(m.ID, codeInvalid, err.Error())
				<-free
				continue
			}
			if m.Method == "initialize" || m.ID == nil { // what follows depends on it, or on its order
				b.carry(call, m)
				done()
				<-free
				continue
			}
			under.Go(func() {
				defer func() { done(); <-free }()
				b.carry(call, m)
			})
		}
	}
}

// A line is one of standard input, without its end.
type line struct {
	text    []byte
	tooLong bool
}

// scan sends the lines of in. Empty ones are left out; of one that is too long nothing is kept.
func scan(ctx context.Context, in *bufio.Reader, to chan<- line) error {
	var l line
	for {
		part, err := in.ReadSlice('\n')
		if !l.tooLong {
			l.text = append(l.text, part...)
			if len(bytes.TrimRight(l.text, "\r\n")) > maxMessage {
				l = line{tooLong: true}
			}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		l.text = bytes.TrimSpace(l.text)
		if len(l.text) > 0 || l.tooLong {
			select {
			case to <- l:
			case <-ctx.Done():
				return nil
			}
		}
		if err != nil {
			return err
		}
		l = line{}
	}
}

// begin notes a call, so that it can be cancelled. Two calls under one id could not be told apart.
func (b *Bridge) begin(ctx context.Context, m message) (context.Context, func(), error) {
	call, cancel := context.WithCancel(ctx)
	if m.ID == nil {
		return call, cancel, nil
	}
	id := string(m.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.calls[id]; ok {
		cancel()
		return nil, nil, fmt.Errorf("%w: a call with this id is under way", writ.ErrInvalid)
	}
	b.calls[id] = cancel
	return call, func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.calls, id)
	}, nil
}

// cancel ends a call; it gets no answer. One that has ended, or never was, is nobody's business.
func (b *Bridge) cancel(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel, ok := b.calls[id]; ok {
		cancel()
	}
}

// write sends one message on one line.
func (b *Bridge) write(m []byte) {
	var one bytes.Buffer
	if err := json.Compact(&one, m); err != nil { // which leaves no line break
		b.log.Error("an answer that is no JSON was dropped")
		return
	}
	one.WriteByte('\n')
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.out.Write(one.Bytes()); err != nil {
		b.log.Error("an answer could not be written", "error", err)
	}
}
