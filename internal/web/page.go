package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/writ-dev/writ"
)

// A frame is what stands around every page, and the page's own data.
type frame struct {
	Title  string
	Said   string // one sentence on the state of what is shown
	Here   string // first segment of the path: marks the place in the menu
	Path   string
	Live   string // where the stream of changes is; empty for a page that does not change
	By     writ.Principal
	Dev    bool
	Alarm  alarm
	Now    time.Time
	Page   any
	Home   string                   // the external URL
	Script template.JS              // at the approving origin
	Parts  map[string]template.HTML // the fragments, rendered
}

// An alarm is what must be seen on every page.
type alarm struct {
	Freezes   []writ.Freeze
	Debts     []debt
	Silent    []writ.RunnerID // of whose runs leases are alive, and nothing is heard
	Unsettled []writ.RunID
	Failing   []writ.ChannelStatus   // channels by which nobody could be told
	Glass     *writ.BreakGlassGlance // asked for and not answered, or owing a review; nil for neither
	OnCall    []writ.OnCallGroup     // of which it is not known who is on call
	Policy    string                 // why the newest policy set is not in force
	Unknown   bool                   // the control plane could not say
}

// A debt is a lease that could not be proven dead in time, with the runner that owes it.
type debt struct {
	Runner writ.RunnerID
	writ.LeaseDebt
}

// alarmLife is how old what every page shows may be. It is the same for all people, and counting it takes milliseconds, so
// that a hundred followed pages would otherwise keep a processor busy. A form that does something makes it new.
const alarmLife = 500 * time.Millisecond

// A glance keeps the newest alarm.
type glance struct {
	mu    sync.Mutex // held while it is read, so that one reads for all; guards what follows
	at    time.Time  // zero when it must be read
	alarm alarm
}

// forget has the next page read the alarm.
func (g *glance) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = time.Time{}
}

// alarms reads what every page shows on its head. A page without an answer says so: no alarm is not good news then.
func (d *door) alarms(ctx context.Context, by writ.Principal) alarm {
	if !by.Valid() {
		return alarm{}
	}
	d.glance.mu.Lock()
	defer d.glance.mu.Unlock()
	now := d.Now()
	if age := now.Sub(d.glance.at); !d.glance.at.IsZero() && age >= 0 && age < alarmLife {
		return d.glance.alarm
	}
	s, err := d.Overview.Status(ctx, by)
	if err != nil {
		return alarm{Unknown: true}
	}
	a := alarm{Freezes: s.Freezes, Unsettled: s.Unsettled}
	for _, r := range s.Runners {
		for _, x := range r.Debts {
			a.Debts = append(a.Debts, debt{r.ID, x})
		}
		if r.Silent {
			a.Silent = append(a.Silent, r.ID)
		}
	}
	for _, x := range s.Channels {
		if x.Failing {
			a.Failing = append(a.Failing, x)
		}
	}
	if g := s.BreakGlass; g != nil && (g.Open > 0 || len(g.Owed) > 0 || g.Late) {
		a.Glass = g
	}
	a.Policy, a.OnCall = s.PolicyProblem, s.OnCall
	d.glance.at, d.glance.alarm = now, a
	return a
}

// frame puts a view into its frame.
func (d *door) frame(ctx context.Context, by writ.Principal, path, live string, v view) frame {
	here, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return frame{Title: v.title, Said: v.said, Here: here, Path: path, Live: live, By: by, Dev: d.Dev, Alarm: d.alarms(ctx, by), Now: d.Now().UTC(), Page: v.data, Home: d.ExternalURL, Script: d.script}
}

// show renders a page whole before it sends the first byte, so that no page ends in the middle of a sentence.
func (d *door) show(w http.ResponseWriter, r *http.Request, by writ.Principal, status int, name, live string, v view) {
	f := d.frame(r.Context(), by, r.URL.Path, live, v)
	b, err := d.render(name, &f)
	if err != nil {
		d.Log.ErrorContext(r.Context(), "a page could not be rendered", "page", name, "error", writ.Printable(err.Error(), maxDetail))
		http.Error(w, "Something went wrong inside Writ; its log says what.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b)
}

// render renders the fragments, and then the page around them. The stream's address tells which ones the page began with.
func (d *door) render(name string, f *frame) ([]byte, error) {
	f.Parts = map[string]template.HTML{}
	var versions []string
	for _, id := range fragments {
		html, err := d.fragment(name, id, *f)
		if err != nil {
			return nil, err
		}
		f.Parts[id] = template.HTML(html) // what html/template has made
		versions = append(versions, version(html))
	}
	if f.Live != "" {
		f.Live += "?v=" + strings.Join(versions, ".")
	}
	var b bytes.Buffer
	err := d.pages[name].ExecuteTemplate(&b, "page", f)
	return b.Bytes(), err
}

// version tells one text of a fragment from another.
func version(html string) string {
	sum := sha256.Sum256([]byte(html))
	return hex.EncodeToString(sum[:6])
}

// parseShared parses the frame and the parts that pages share.
func parseShared(assets map[string]asset) (*template.Template, error) {
	t, err := template.New("page").Funcs(words).Funcs(template.FuncMap{
		"asset": func(name string) string { return "/static/" + name + "?v=" + assets[name].version },
	}).ParseFS(sub("templates"), "frame.html", "parts.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return t, nil
}

// parsePages parses each page's file together with the frame and the parts that pages share.
func parsePages(assets map[string]asset) (map[string]*template.Template, error) {
	shared, err := parseShared(assets)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(sub("templates"), "*.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, file := range names {
		if file == "frame.html" || file == "parts.html" {
			continue
		}
		t, err := shared.Clone()
		if err == nil {
			t, err = t.ParseFS(sub("templates"), file)
		}
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		pages[strings.TrimSuffix(file, ".html")] = t
	}
	return pages, nil
}

// parent is the page on which a form stood.
func parent(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) < 2:
		return path
	case parts[0] == "freeze" || parts[0] == "agents" || parts[0] == "oncall" || parts[0] == "health":
		return "/" + parts[0]
	}
	return "/" + parts[0] + "/" + parts[1]
}
