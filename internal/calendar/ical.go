package calendar

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
)

// A line is one unfolded content line (RFC 5545 section 3.1).
type line struct {
	at     int // number of its first physical line, from 1
	name   string
	params map[string]string // names in capitals; of several values the first
	value  string
}

// unfold splits a feed into content lines.
func unfold(b []byte) ([]line, error) {
	bad := func(at int, what string) error {
		return fmt.Errorf("%w: calendar: line %d: %s", writ.ErrInvalid, at, what)
	}
	if len(b) > MaxFeed {
		return nil, bad(1, fmt.Sprintf("it has more than %d bytes", MaxFeed))
	}
	if !utf8.Valid(b) {
		return nil, bad(1, "it is not UTF-8")
	}
	var out []line
	var whole strings.Builder
	at := 0
	flush := func() error {
		if whole.Len() == 0 {
			return nil
		}
		l, ok := parseLine(whole.String())
		if !ok {
			return bad(at, "it is no content line, such as SUMMARY:text")
		}
		l.at = at
		out = append(out, l)
		whole.Reset()
		return nil
	}
	n := 0
	for text := range strings.SplitSeq(strings.TrimPrefix(string(b), "\ufeff"), "\n") {
		n++
		text = strings.TrimSuffix(text, "\r")
		if strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t") {
			if whole.Len() == 0 {
				return nil, bad(n, "it continues nothing")
			}
			text = text[1:]
		} else {
			if err := flush(); err != nil {
				return nil, err
			}
			at = n
		}
		if whole.Len()+len(text) > maxFeedLine {
			return nil, bad(at, fmt.Sprintf("it is longer than %d bytes", maxFeedLine))
		}
		whole.WriteString(text)
	}
	return out, flush()
}

// parseLine takes name *(";" param) ":" value, where a parameter may be quoted.
func parseLine(s string) (line, bool) {
	l := line{params: map[string]string{}}
	quoted, from := false, 0
	var parts []string
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';':
			parts, from = append(parts, s[from:i]), i+1
		case c == ':':
			parts, l.value = append(parts, s[from:i]), s[i+1:]
			l.name = strings.ToUpper(parts[0])
			for _, p := range parts[1:] {
				name, value, ok := strings.Cut(p, "=")
				name = strings.ToUpper(name)
				if _, twice := l.params[name]; !ok || name == "" || twice {
					return line{}, false
				}
				l.params[name] = strings.Trim(value, `"`)
			}
			return l, l.name != ""
		}
	}
	return line{}, false
}

// A parser reads the properties of one event after the other.
type parser struct {
	local *time.Location
	zone  func(string) (*time.Location, error)

	at        int
	seen      map[string]bool
	start     stamp
	finish    stamp
	length    time.Duration
	rule      string
	except    []stamp
	replaces  stamp
	uid       string
	summary   string
	attendees []string
	cancelled bool
}

// A stamp is a wall-clock time in a zone, or a whole day.
type stamp struct {
	wall  time.Time
	zone  *time.Location
	day   bool
	given bool
}

func (s stamp) instant() time.Time { return instant(s.wall, s.zone) }

func (p *parser) begin(at int) {
	*p = parser{local: p.local, zone: p.zone, at: at, seen: map[string]bool{}}
}

func (p *parser) find(name string) (*time.Location, error) {
	if name == "" || name == "Local" || len(name) > 60 {
		return nil, fmt.Errorf("zone %q is no time zone of the IANA database, such as Europe/Berlin", writ.Printable(name, 60))
	}
	at, err := p.zone(name)
	if err != nil {
		return nil, fmt.Errorf("zone %q is no time zone of the IANA database, such as Europe/Berlin", writ.Printable(name, 60))
	}
	return at, nil
}

// property takes one property of an event. Those that say nothing about when and who are left alone.
func (p *parser) property(l line) error {
	switch l.name {
	case "DTSTART", "DTEND", "DURATION", "RRULE", "UID", "SUMMARY", "STATUS", "RECURRENCE-ID":
		if p.seen[l.name] {
			return fmt.Errorf("it stands twice")
		}
		p.seen[l.name] = true
	}
	var err error
	switch l.name {
	case "DTSTART":
		p.start, err = p.stamp(l, l.value)
	case "DTEND":
		p.finish, err = p.stamp(l, l.value)
	case "DURATION":
		p.length, err = parseDuration(l.value)
	case "RRULE":
		p.rule = strings.ToUpper(l.value)
	case "RDATE", "EXRULE":
		err = fmt.Errorf("it is not supported: write the days as events of their own")
	case "EXDATE":
		for v := range strings.SplitSeq(l.value, ",") {
			s, err := p.stamp(l, v)
			if err != nil {
				return err
			}
			if p.except = append(p.except, s); len(p.except) > MaxExcept {
				return fmt.Errorf("more than %d days", MaxExcept)
			}
		}
	case "RECURRENCE-ID":
		if l.params["RANGE"] != "" {
			return fmt.Errorf("RANGE is not supported")
		}
		p.replaces, err = p.stamp(l, l.value)
	case "UID":
		p.uid = l.value
	case "SUMMARY":
		p.summary = strings.TrimSpace(unescape(l.value))
	case "STATUS":
		p.cancelled = strings.EqualFold(l.value, "CANCELLED")
	case "ATTENDEE":
		if strings.EqualFold(l.params["PARTSTAT"], "DECLINED") {
			return nil
		}
		who := strings.ToLower(strings.TrimSpace(l.value))
		p.attendees = append(p.attendees, strings.TrimPrefix(who, "mailto:"))
		if len(p.attendees) > maxAttendees {
			return fmt.Errorf("more than %d", maxAttendees)
		}
	}
	return err
}

// end makes the event; keep is false for one that says nothing.
func (p *parser) end() (s shift, keep bool, err error) {
	bad := func(what string) (shift, bool, error) { return shift{}, false, fmt.Errorf("%s", what) }
	switch {
	case !p.start.given:
		return bad("an event has no DTSTART")
	case p.uid == "":
		return bad("an event has no UID")
	case p.seen["DTEND"] && p.seen["DURATION"]:
		return bad("an event has DTEND and DURATION")
	case p.replaces.given && p.rule != "":
		return bad("an event that replaces an occurrence has a rule of its own")
	case p.finish.given && p.finish.day != p.start.day:
		return bad("DTSTART and DTEND are a day and a time")
	}
	length := p.length
	switch {
	case p.finish.given:
		end := wallOf(p.finish.instant(), p.start.zone) // DTEND may be in another zone
		length = end.Sub(p.start.wall)
	case length == 0 && p.start.day:
		length = 24 * time.Hour
	}
	s = shift{uid: p.uid, moved: map[int64]bool{}, single: p.replaces.given}
	s.event = event{name: p.uid, zone: p.start.zone, start: p.start.wall, length: length, except: map[int]bool{}}
	if p.replaces.given {
		s.moved[p.replaces.instant().Unix()] = true
	}
	if p.cancelled {
		return s, s.single, nil // a cancelled occurrence still replaces; a cancelled event is none
	}
	if length <= 0 {
		return shift{}, false, nil // a reminder, and no turn
	}
	if length > MaxLength {
		return bad(fmt.Sprintf("an event is longer than %s", MaxLength))
	}
	for _, x := range p.except {
		if x.day {
			s.except[dayOf(x.wall)] = true
		} else {
			s.moved[x.instant().Unix()] = true
		}
	}
	if p.rule != "" {
		if s.rule, err = parseRule(p.until(), p.start.wall); err != nil {
			return shift{}, false, err
		}
	}
	if s.names = p.attendees; len(s.names) == 0 && p.summary != "" {
		s.names = []string{strings.ToLower(p.summary)}
	}
	return s, len(s.names) > 0, nil
}

// until gives an UNTIL that is a day or a wall-clock time the form in UTC that rules have: a day ends with its last second.
func (p *parser) until() string {
	parts := strings.Split(p.rule, ";")
	for i, part := range parts {
		value, ok := strings.CutPrefix(part, "UNTIL=")
		if !ok || strings.HasSuffix(value, "Z") {
			continue
		}
		if d, err := time.Parse("20060102", value); err == nil {
			parts[i] = "UNTIL=" + instant(d.Add(24*time.Hour-time.Second), p.start.zone).UTC().Format(formUntil)
		} else if at, err := time.Parse(formFloating, value); err == nil {
			parts[i] = "UNTIL=" + instant(at, p.start.zone).UTC().Format(formUntil)
		}
	}
	return strings.Join(parts, ";")
}

const formFloating = "20060102T150405"

// stamp reads DATE and DATE-TIME in its three forms: UTC, of a zone, and floating.
func (p *parser) stamp(l line, value string) (stamp, error) {
	bad := func() (stamp, error) {
		return stamp{}, fmt.Errorf("%q is no time, such as 20260105T090000Z", writ.Printable(value, 40))
	}
	s := stamp{zone: p.local, given: true}
	if id := l.params["TZID"]; id != "" {
		var err error
		if s.zone, err = p.find(strings.TrimPrefix(id, "/")); err != nil {
			return stamp{}, err
		}
	}
	var err error
	switch {
	case strings.EqualFold(l.params["VALUE"], "DATE") || len(value) == len("20060102"):
		s.day = true
		s.wall, err = time.Parse("20060102", value)
	case strings.HasSuffix(value, "Z"):
		s.zone = time.UTC
		s.wall, err = time.Parse(formUntil, value)
	default:
		s.wall, err = time.Parse(formFloating, value)
	}
	if err != nil || s.wall.Year() < 1970 || s.wall.Year() > 9000 {
		return bad()
	}
	return s, nil
}

// parseDuration reads a dur-value of RFC 5545 section 3.3.6 that is longer than nothing.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration, such as PT8H or P7D", writ.Printable(s, 40))
	rest, ok := strings.CutPrefix(strings.TrimPrefix(strings.ToUpper(s), "+"), "P")
	if !ok || len(rest) > 40 {
		return 0, bad
	}
	units := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour}
	var total time.Duration
	n, digits := 0, 0
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == 'T' && digits == 0:
			units = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}
		case c >= '0' && c <= '9' && digits < 7:
			n, digits = n*10+int(c-'0'), digits+1
		case units[c] > 0 && digits > 0:
			if total += time.Duration(n) * units[c]; total > MaxLength {
				return 0, fmt.Errorf("it is longer than %s", MaxLength)
			}
			delete(units, c)
			n, digits = 0, 0
		default:
			return 0, bad
		}
	}
	if total <= 0 || digits > 0 {
		return 0, bad
	}
	return total, nil
}

var escapes = strings.NewReplacer(`\\`, `\`, `\;`, `;`, `\,`, `,`, `\n`, " ", `\N`, " ")

func unescape(s string) string { return escapes.Replace(s) }
