package eventstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ/internal/eventstream"
)

// wire is a connection that notes its write deadlines, and is cut when it has taken left writes.
type wire struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
	left      int
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

func (w *wire) Write(b []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, http.ErrAbortHandler
	}
	return w.ResponseRecorder.Write(b)
}

func TestEachPieceHasADeadlineOfItsOwnAndIsNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{ResponseRecorder: httptest.NewRecorder(), left: 2}
		s := eventstream.Begin(w, 10*time.Second)
		for i, text := range []string{"data: 1\n\n", eventstream.Comment} {
			if err := s.Send(text); err != nil || !w.Flushed {
				t.Fatalf("piece %d: %v, flushed %t", i, err, w.Flushed)
			}
			if got := time.Until(w.deadlines[i]); got != 10*time.Second {
				t.Errorf("piece %d may take %v", i, got)
			}
			w.Flushed = false
			time.Sleep(time.Minute)
		}
		if err := s.Send("data: 2\n\n"); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("a reader that has gone: %v", err)
		}
		if got := w.Body.String(); got != "data: 1\n\n: quiet\n\n" || w.Header().Get("Content-Type") != "text/event-stream" || w.Header().Get("X-Accel-Buffering") != "no" {
			t.Errorf("%q %v", got, w.Header())
		}
	})
}
