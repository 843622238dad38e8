package notice

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// A Message is all that leaves Writ: a summary and a link. Nothing in it carries authority, and no channel's answer is read
// for more than whether it took the message.
type Message struct {
	Key     string // the same in every attempt to tell one recipient of one notice: receivers may drop what they have
	Thread  string // the incident, or what it is about: mails of one thread stand together
	Event   writ.NoticeEvent
	Urgent  bool // somebody is to look or answer now
	Heading string
	Lines   []string  // sentences, clean; at least one
	Count   int       // events that it tells of
	Place   string    // service and environment; empty when it is about none
	At      time.Time // of the newest event
	Until   time.Time // when silence decides; zero when it does not
	Link    string    // below the control plane's own URL, without query and fragment
}

// Bounds of texts, in characters.
const (
	maxSentence = 300
	maxName     = 80
)

// web finds what a reader's program would make a link of by itself.
var web = regexp.MustCompile(`(?i)\b(https?|ftp|mailto):|\bwww\.`)

// Clean makes text that others chose fit for a line: hidden characters are shown, addresses are written so that no program
// makes a link of them, and it is at most limit characters long. Escaping what a channel takes for markup is the channel's.
func Clean(s string, limit int) string {
	s = web.ReplaceAllStringFunc(writ.Printable(s, limit), func(m string) string {
		return strings.NewReplacer(":", "[:]", ".", "[.]").Replace(m)
	})
	return writ.Printable(s, limit)
}

// Name makes a name that others chose fit for a sentence.
func Name(s string) string { return Clean(s, maxName) }

// Compose makes the message of a notice. facts are at most MaxFacts, the oldest first, of one class and in all count;
// escalated says that others were told before and did not answer.
func Compose(key string, facts []Fact, count int, escalated bool, base string) Message {
	newest := facts[len(facts)-1]
	m := Message{
		Key: key, Thread: newest.Thread(), Event: newest.Event, Urgent: newest.Class() != writ.NoticeNews, Heading: writ.NoticeEvents[newest.Event].Heading,
		Count: count, At: newest.At, Until: newest.Until, Link: link(facts, base),
	}
	if newest.Service != "" {
		m.Place = Name(newest.Service)
		if newest.Environment != "" {
			m.Place += " in " + Name(newest.Environment)
		}
	}
	for _, f := range facts {
		if f.Service != newest.Service {
			m.Place = ""
		}
		if f.Thread() != newest.Thread() {
			m.Thread = "several"
		}
		if f.Event != newest.Event {
			m.Heading = "several events"
		}
		m.Lines = append(m.Lines, Clean(f.Sentence, maxSentence))
		if !f.Until.IsZero() && f.Until.Before(m.Until) {
			m.Until = f.Until
		}
	}
	if more := count - len(facts); more > 0 {
		m.Lines = append(m.Lines, fmt.Sprintf("And %d more.", more))
	}
	if escalated {
		m.Heading = "nobody has answered: " + m.Heading
	}
	return m
}

// link names the one page where all facts can be read.
func link(facts []Fact, base string) string {
	first := facts[0]
	same := func(of func(Fact) string) bool {
		for _, f := range facts {
			if of(f) != of(first) || of(f) == "" {
				return false
			}
		}
		return true
	}
	switch {
	case same(func(f Fact) string { return string(f.Run) }):
		return base + "/runs/" + string(first.Run)
	case same(func(f Fact) string { return string(f.Plan) }):
		return base + "/plans/" + string(first.Plan)
	case same(func(f Fact) string { return string(f.Change) }):
		return base + "/policy/" + string(first.Change)
	case same(func(f Fact) string { return string(f.Incident) }):
		return base + "/incidents/" + string(first.Incident)
	}
	return base + "/"
}

// Subject is the message in one line.
func (m Message) Subject() string {
	s := "Writ: " + m.Heading
	if m.Place != "" {
		s += ", " + m.Place
	}
	if m.Count > 1 {
		s += fmt.Sprintf(" (%d events)", m.Count)
	}
	return s
}

// Text is the message in a few lines, without its link.
func (m Message) Text() string {
	lines := m.Lines
	if !m.Until.IsZero() {
		lines = append(lines[:len(lines):len(lines)], "Silence means no, at "+m.Until.UTC().Format("15:04 MST")+".")
	}
	return strings.Join(lines, "\n")
}
