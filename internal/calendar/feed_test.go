package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/calendar"
)

// feed wraps events into a calendar with the line ends that RFC 5545 wants.
func feed(events ...string) []byte {
	body := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n"
	for i, e := range events {
		if !strings.Contains(e, "UID:") {
			e = fmt.Sprintf("UID:%d@test\n", i) + e
		}
		body += "BEGIN:VEVENT\n" + e + "\nEND:VEVENT\n"
	}
	return []byte(strings.ReplaceAll(body+"END:VCALENDAR\n", "\n", "\r\n"))
}

func parsed(t *testing.T, events ...string) calendar.Feed {
	t.Helper()
	f, err := calendar.ParseFeed(feed(events...), time.UTC, time.LoadLocation)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// onCallAt lists who has a turn at a time.
func onCallAt(f calendar.Feed, when string) string {
	now, err := time.Parse(time.RFC3339, when)
	if err != nil {
		panic(err)
	}
	var out []string
	for _, s := range f.Shifts(now.Add(-time.Hour), now.Add(time.Hour)) {
		if !now.Before(s.From) && now.Before(s.Until) {
			out = append(out, s.Names...)
		}
	}
	return strings.Join(out, " ")
}

func TestAFeedSaysWhoseTurnItIsInEachFormOfRFC5545(t *testing.T) {
	const ann = "\nATTENDEE;CN=\"Ann; X\":MAILTO:Ann@Corp.example"
	for name, x := range map[string]struct{ event, during, outside string }{
		"in UTC":                        {"DTSTART:20260105T080000Z\nDTEND:20260105T160000Z" + ann, "2026-01-05T08:00:00Z", "2026-01-05T16:00:00Z"},
		"in a zone, in summer":          {"DTSTART;TZID=Europe/Berlin:20260706T090000\nDTEND;TZID=Europe/Berlin:20260706T170000" + ann, "2026-07-06T07:00:00Z", "2026-07-06T15:00:00Z"},
		"by duration":                   {"DTSTART:20260105T080000Z\nDURATION:P1DT2H" + ann, "2026-01-06T09:59:59Z", "2026-01-06T10:00:00Z"},
		"a whole day":                   {"DTSTART;VALUE=DATE:20260105" + ann, "2026-01-05T23:59:59Z", "2026-01-06T00:00:00Z"},
		"a week of days":                {"DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260112" + ann, "2026-01-11T12:00:00Z", "2026-01-12T00:00:00Z"},
		"each second week, over summer": {"DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:P7D\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO" + ann, "2026-07-06T07:00:00Z", "2026-07-06T06:59:59Z"},
		"until a day":                   {"DTSTART:20260105T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260107" + ann, "2026-01-07T08:30:00Z", "2026-01-08T08:30:00Z"},
		"but not that one":              {"DTSTART:20260105T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE:20260106T080000Z" + ann, "2026-01-05T08:30:00Z", "2026-01-06T08:30:00Z"},
		"folded":                        {"DTSTART:20260105T080000Z\nDURATION:PT1H\nATTENDEE:mailto:ann@cor\n p.example", "2026-01-05T08:30:00Z", "2026-01-05T07:30:00Z"},
	} {
		f := parsed(t, x.event)
		if got := onCallAt(f, x.during); got != "ann@corp.example" {
			t.Errorf("%s: during it %q is on call", name, got)
		}
		if got := onCallAt(f, x.outside); got != "" {
			t.Errorf("%s: outside of it %q is on call", name, got)
		}
	}
}

func TestAnOccurrenceThatWasMovedOrCancelledOrDeclinedIsNobodysTurn(t *testing.T) {
	weekly := "UID:w\nDTSTART:20260105T080000Z\nDURATION:PT8H\nRRULE:FREQ=DAILY\nSUMMARY:Ann"
	f := parsed(t, weekly,
		"UID:w\nRECURRENCE-ID:20260106T080000Z\nDTSTART:20260106T080000Z\nDURATION:PT8H\nSUMMARY:Bob",
		"UID:w\nRECURRENCE-ID:20260107T080000Z\nDTSTART:20260107T080000Z\nSTATUS:CANCELLED\nSUMMARY:Ann",
		"UID:d\nDTSTART:20260108T200000Z\nDURATION:PT1H\nATTENDEE;PARTSTAT=DECLINED:mailto:carl@x.example\nATTENDEE:mailto:dora@x.example",
		"UID:c\nDTSTART:20260109T200000Z\nDURATION:PT1H\nSTATUS:CANCELLED\nSUMMARY:Eve",
	)
	for when, want := range map[string]string{
		"2026-01-05T09:00:00Z": "ann", "2026-01-06T09:00:00Z": "bob", "2026-01-07T09:00:00Z": "", "2026-01-08T20:30:00Z": "dora@x.example", "2026-01-09T20:30:00Z": "",
	} {
		if got := onCallAt(f, when); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}

func TestWhatAFeedCannotSayExactlyIsRefusedWithItsLine(t *testing.T) {
	const ok = "DTSTART:20260105T080000Z\nDURATION:PT1H\nSUMMARY:Ann"
	for name, x := range map[string]struct{ body, want string }{
		"a zone of its own":       {string(feed("DTSTART;TZID=Customized Time:20260105T080000\nDURATION:PT1H")), "is no time zone"},
		"a rule of hours":         {string(feed(ok + "\nRRULE:FREQ=HOURLY")), "FREQ must be"},
		"a rule twice":            {string(feed(ok + "\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY")), "stands twice"},
		"dates beside the rule":   {string(feed(ok + "\nRDATE:20260107T080000Z")), "not supported"},
		"an end and a length":     {string(feed(ok + "\nDTEND:20260105T100000Z")), "DTEND and DURATION"},
		"no start":                {string(feed("SUMMARY:Ann")), "no DTSTART"},
		"a year long":             {string(feed("DTSTART:20260105T080000Z\nDTEND:20270105T080000Z\nSUMMARY:Ann")), "longer than"},
		"cut off":                 {strings.TrimSuffix(string(feed(ok)), "END:VCALENDAR\r\n"), "does not end"},
		"a page instead":          {"<html><body>Log in</body></html>", "content line"},
		"nothing":                 {"", "does not end"},
		"one event under two uid": {string(feed("UID:x\n"+ok, "UID:x\n"+ok)), "stands twice"},
	} {
		_, err := calendar.ParseFeed([]byte(x.body), time.UTC, time.LoadLocation)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseFeed(f *testing.F) {
	f.Add(feed("DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:P7D\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO\nATTENDEE:mailto:a@b"))
	f.Add(feed("UID:w\nDTSTART:20260105T080000Z\nDURATION:PT8H\nRRULE:FREQ=DAILY;UNTIL=20260107\nEXDATE:20260106T080000Z\nSUMMARY:Ann",
		"UID:w\nRECURRENCE-ID:20260105T080000Z\nDTSTART:20260105T090000Z\nDTEND:20260105T100000Z\nSUMMARY:Bob"))
	f.Add([]byte("BEGIN:VCALENDAR\nX-WR-TIMEZONE:Asia/Tokyo\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20260105\nSUMMARY:a\\, b\nEND:VEVENT\nEND:VCALENDAR"))
	from := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		feed, err := calendar.ParseFeed(b, time.UTC, time.LoadLocation)
		if err != nil {
			return
		}
		for _, s := range feed.Shifts(from, from.Add(48*time.Hour)) {
			if !s.From.Before(s.Until) || len(s.Names) == 0 || s.From.After(from.Add(48*time.Hour)) || !s.Until.After(from) {
				t.Errorf("%v", s)
			}
		}
	})
}
