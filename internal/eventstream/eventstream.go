// Package eventstream writes and reads server-sent events (HTML Standard, section 9.2). What is in them, and for how long, is its
// callers' to say.
package eventstream

import (
	"net/http"
	"time"
)

// ContentType is the media type of a stream.
const ContentType = "text/event-stream"

// Quiet is how long a stream may say nothing before it sends a Comment, so that proxies keep it open.
const Quiet = 15 * time.Second

// Comment is sent when there is nothing to say; readers pass it over.
const Comment = ": quiet\n\n"

// A Sender writes and flushes one piece at a time. It is for one goroutine.
type Sender struct {
	w        http.ResponseWriter
	wire     *http.ResponseController
	patience time.Duration
}

// Begin makes an answer a stream. patience is how long a slow reader may take for one write; nothing is sent yet.
func Begin(w http.ResponseWriter, patience time.Duration) *Sender {
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("X-Accel-Buffering", "no") // else nginx holds events back
	return &Sender{w, http.NewResponseController(w), patience}
}

// Send writes text, which ends an event or a comment with an empty line, and flushes it. After an error the reader has gone.
func (s *Sender) Send(text string) error {
	_ = s.wire.SetWriteDeadline(time.Now().Add(s.patience)) // of the socket, whose clock is the machine's; not all writers have one
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.wire.Flush()
}
