package storefront

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// MaxLines is how many lines of its request log each service keeps.
const MaxLines = 200

// maxField bounds the client's text in a line.
const maxField = 400

// lines is a service's request log. Path and user agent in it are whatever clients sent.
type lines struct {
	mu   sync.Mutex
	kept []string
}

func (l *lines) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) == MaxLines {
		l.kept = slices.Delete(l.kept, 0, 1)
	}
	l.kept = append(l.kept, s)
}

// last returns the newest n lines, oldest first.
func (l *lines) last(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.kept[max(0, len(l.kept)-n):]...)
}

func logLine(at time.Time, replica, release string, r *http.Request, status int, cause string, took time.Duration) string {
	tail := ""
	if cause != "" {
		tail = " cause=" + cause
	}
	return fmt.Sprintf("%s %s %s %q %d %dms %q%s", at.UTC().Format("2006-01-02T15:04:05.000Z"), replica, release,
		r.Method+" "+cut(r.URL.RequestURI()), status, took.Milliseconds(), cut(r.UserAgent()), tail)
}

func cut(s string) string { return s[:min(len(s), maxField)] }

// Plant puts text into a service's request log in the way that anybody on the internet can: it sends a request with
// that text as its user agent.
func (s *Shop) Plant(ctx context.Context, service, text string) error {
	v, err := s.service(service)
	if err != nil {
		return fmt.Errorf("shop: %s: %w", service, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.front.url+"/", nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", text)
	res, err := s.inner.Do(req)
	if err != nil {
		return fmt.Errorf("shop: plant: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	return err
}
