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
	"github.com/writ-dev/writ/internal/eventstream"
)

const (
	// lookTime is how often a stream looks for changes: a person does not notice a second.
	lookTime = time.Second
	// slowLook is how often for pages that are put together from many objects.
	slowLook = 3 * time.Second
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
	s := eventstream.Begin(w, writeTime)
	began := d.began(r)
	if d.Now().Sub(began) >= watchLife {
		d.still(ctx, by, name, s)
		return
	}
	if s.Send(fmt.Sprintf("id: %d\nretry: 2000\n: writ\n\n", began.UnixMilli())) != nil {
		return
	}
	d.follow(ctx, r.WithContext(ctx), by, name, build, s)
}

// lastID is the id of a page's last event: whoever comes back with it gets no more.
const lastID = "end"

// still tells a page that has been followed for so long that it is followed no more.
func (d *door) still(ctx context.Context, by writ.Principal, name string, s *eventstream.Sender) {
	html, err := d.fragment(name, "still", d.frame(ctx, by, "", "", view{}))
	if err != nil {
		return
	}
	if data, err := json.Marshal(map[string]string{"id": "alarms", "html": html}); err == nil {
		s.Send(fmt.Sprintf("id: %s\ndata: %s\n\n", lastID, data))
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
func (d *door) follow(ctx context.Context, r *http.Request, by writ.Principal, name string, build builder, s *eventstream.Sender) {
	sent := map[string]string{} // versions
	if first := strings.Split(r.URL.Query().Get("v"), "."); len(first) == len(fragments) {
		for i, id := range fragments {
			sent[id] = first[i]
		}
	}
	look := time.NewTicker(lookTime)
	defer look.Stop()
	quiet := time.NewTicker(eventstream.Quiet)
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
			if err != nil || s.Send(fmt.Sprintf("data: %s\n\n", data)) != nil {
				return
			}
			quiet.Reset(eventstream.Quiet)
		}
		select {
		case <-ctx.Done():
			return
		case <-quiet.C:
			if s.Send(eventstream.Comment) != nil {
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
