package rota

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/calendar"
)

// ICal is a calendar in iCalendar form (RFC 5545). It is safe for concurrent use.
type ICal struct {
	file   string
	url    string
	web    Web
	client *http.Client
	local  *time.Location
	people People
}

// NewFile reads a file each time it is asked, so that replacing it is enough.
func NewFile(file string, local *time.Location, people People) *ICal {
	return &ICal{file: file, local: local, people: people}
}

// NewFeed fetches an https URL each time it is asked.
func NewFeed(url string, w Web, local *time.Location, people People) *ICal {
	return &ICal{url: url, web: w, client: w.client(), local: local, people: people}
}

// Turns implements control.Rota.
func (s *ICal) Turns(ctx context.Context, from, until time.Time) ([]writ.RotaTurn, error) {
	b, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	feed, err := calendar.ParseFeed(b, s.local, time.LoadLocation)
	if err != nil {
		return nil, err
	}
	var out []writ.RotaTurn
	for _, x := range feed.Shifts(from, until) {
		for _, name := range x.Names {
			if p, ok := s.people.of(name); ok {
				out = append(out, writ.RotaTurn{Person: p, From: x.From, Until: x.Until})
			}
		}
	}
	return out, nil
}

func (s *ICal) read(ctx context.Context) ([]byte, error) {
	if s.url != "" {
		return get(ctx, s.client, s.url, s.web.Header)
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, fmt.Errorf("%w: on-call source: its file cannot be read", writ.ErrUnavailable)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAnswer+1))
	if err != nil || len(b) > maxAnswer {
		return nil, fmt.Errorf("%w: on-call source: its file cannot be read whole, or is larger than %d bytes", writ.ErrUnavailable, maxAnswer)
	}
	return b, nil
}
