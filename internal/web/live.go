package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

const eventStream = "text/event-stream"

const (
	// lookTime is how often a stream looks for changes: a person does not notice a second.
	lookTime = time.Second
	// slowLook is how often for pages that are put together from many objects.
	slowLook = 3 * time.Second
	// quietTime is how long a stream may say nothing before it sends a comment, so that proxies keep it open.
	quietTime = 15 * time.Second
	// streamLife ends a stream, so that a session that was ended sees no more than this. The browser connects again.
	streamLife = time.Minute
	// watchLife ends the watching of one page: a screen that nobody looks at must not keep its session alive for ever.
	watchLife = 20 * time.Minute
	// maxStreams bounds the streams under way in this process. A page without one is complete, and says what it knew.
	maxStreams = 500
	// writeTime is how long a slow browser may take for one write.
	writeTime = 10 * time.Second
)

// fragments are the parts of a page that are replaced when they change, by the id of their element, which is the name of
// their template.
var fragments = []string{"alarms", "said", "now", "acts"}

// stream sends the parts of a page that have changed (HTML Standard section 9.2, server-sent events). Each part is
// rendered by the same template as the page.
func (d *door) stream(w http.ResponseWriter, r *http.Request, name string, build builder) {
	by, ok := d.person(w, r)
	if !ok {
		return
	}
	if r.Header.Get("Last-Event-ID") == lastID {
		w.WriteHeader(http.StatusNoContent) // which ends an EventSource for good
		return
	}
	select {
	case d.streams <- struct{}{}:
		defer func() { <-d.streams }()
	default:
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many pages are being followed", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("X-Accel-Buffering", "no") // else nginx holds events back
	s := &sender{w, http.NewResponseController(w)}
	began := d.began(r)
	if d.Now().Sub(began) >= watchLife {
		d.still(ctx, by, name, s)
		return
	}
	if s.send(fmt.Sprintf("id: %d\nretry: 2000\n: writ\n\n", began.UnixMilli())) != nil {
		return
	}
	d.follow(ctx, r.WithContext(ctx), by, name, build, s)
}

// lastID is the id of a page's last event: whoever comes back with it gets no more.
const lastID = "end"

// still tells a page that has been followed for so long that it is followed no more.
func (d *door) still(ctx context.Context, by writ.Principal, name string, s *sender) {
	html, err := d.fragment(name, "still", d.frame(ctx, by, "", "", view{}))
	if err != nil {
		return
	}
	if data, err := json.Marshal(map[string]string{"id": "alarms", "html": html}); err == nil {
		s.send(fmt.Sprintf("id: %s\ndata: %s\n\n", lastID, data))
	}
}

// began is when the browser opened the page: it gives back the id that the first stream gave it.
func (d *door) began(r *http.Request) time.Time {
	if ms, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		if t := time.UnixMilli(ms); t.Before(d.Now()) {
			return t
		}
	}
	return d.Now()
}

// follow sends changes until ctx ends, the page cannot be made or the browser has gone.
func (d *door) follow(ctx context.Context, r *http.Request, by writ.Principal, name string, build builder, s *sender) {
	sent := map[string]string{} // versions
	if first := strings.Split(r.URL.Query().Get("v"), "."); len(first) == len(fragments) {
		for i, id := range fragments {
			sent[id] = first[i]
		}
	}
	look := time.NewTicker(lookTime)
	defer look.Stop()
	quiet := time.NewTicker(quietTime)
	defer quiet.Stop()
	for {
		v, err := build(ctx, by, r)
		if err != nil {
			return
		}
		if v.slow {
			look.Reset(slowLook)
		}
		f := d.frame(ctx, by, r.URL.Path, "", v)
		for _, id := range fragments {
			html, err := d.fragment(name, id, f)
			if err != nil {
				return
			}
			if version(html) == sent[id] {
				continue
			}
			sent[id] = version(html)
			data, err := json.Marshal(map[string]string{"id": id, "html": html}) // one line: JSON escapes line ends
			if err != nil || s.send(fmt.Sprintf("data: %s\n\n", data)) != nil {
				return
			}
			quiet.Reset(quietTime)
		}
		select {
		case <-ctx.Done():
			return
		case <-quiet.C:
			if s.send(": quiet\n\n") != nil {
				return
			}
		case <-look.C:
		}
	}
}

func (d *door) fragment(name, id string, f frame) (string, error) {
	var b bytes.Buffer
	err := d.pages[name].ExecuteTemplate(&b, id, f)
	return b.String(), err
}

// A sender writes and flushes one piece at a time.
type sender struct {
	w    http.ResponseWriter
	wire *http.ResponseController
}

func (s *sender) send(text string) error {
	_ = s.wire.SetWriteDeadline(time.Now().Add(writeTime)) // of the socket, whose clock is the machine's; not all writers have one
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.wire.Flush()
}
