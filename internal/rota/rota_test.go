package rota_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/rota"
)

var (
	ann    = writ.Person{Iss: "https://idp.test", Sub: "ann"}
	people = rota.People{"ann@corp.example": ann, "puser1": ann}
	from   = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
)

const token = "s3cret-of-the-schedule"

// pagerDutyDouble is a stand-in for PagerDuty's API, written for these tests: a real HTTPS server that answers GET /oncalls as
// it is told, page by page, to whoever brings the token.
func pagerDutyDouble(t *testing.T, pages ...string) (*rota.PagerDuty, func() []*http.Request) {
	t.Helper()
	var mu sync.Mutex
	var got []*http.Request
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r)
		if r.Header.Get("Authorization") != "Token token="+token || r.URL.Path != "/oncalls" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, pages[min(len(got)-1, len(pages)-1)])
	}))
	t.Cleanup(s.Close)
	return rota.NewPagerDuty(s.URL, token, []string{"PSCHED"}, web(s), people), func() []*http.Request {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

func web(s *httptest.Server) rota.Web {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return rota.Web{Roots: roots}
}

func onCall(user, schedule, start, end string) string {
	quote := func(s string) string {
		if s == "" {
			return "null"
		}
		return `"` + s + `"`
	}
	return fmt.Sprintf(`{"user":{"id":%q,"type":"user","email":"x@other.example"},"schedule":{"id":%q},"escalation_level":1,"start":%s,"end":%s}`, user, schedule, quote(start), quote(end))
}

func page(more bool, turns ...string) string {
	return fmt.Sprintf(`{"oncalls":[%s],"limit":100,"offset":0,"more":%t,"total":null}`, strings.Join(turns, ","), more)
}

func TestAnOnCallToolIsAskedForItsSchedulesAndItsUsersBecomePeopleOfTheRoster(t *testing.T) {
	t.Parallel()
	s, got := pagerDutyDouble(t,
		page(true, onCall("PUSER1", "PSCHED", "2026-01-05T06:00:00Z", "2026-01-05T18:00:00+01:00")),
		page(false, onCall("PSTRANGER", "PSCHED", "", ""), strings.Replace(onCall("PUSER9", "PSCHED", "", ""), "x@other", "Ann@corp", 1)))
	turns, err := s.Turns(t.Context(), from, from.Add(time.Hour))
	if err != nil || len(turns) != 2 || turns[0].Person != ann || !turns[0].Until.Equal(from.Add(9*time.Hour)) || turns[1].Person != ann || !turns[1].Until.IsZero() {
		t.Fatalf("%+v %v", turns, err)
	}
	q := got()[1].URL.Query()
	if q.Get("schedule_ids[]") != "PSCHED" || q.Get("since") != "2026-01-05T08:00:00Z" || q.Get("offset") != "100" {
		t.Errorf("%v", q)
	}
}

func TestI05WhatAnOnCallToolDoesNotSayExactlyIsNoAnswer(t *testing.T) {
	t.Parallel()
	ok := onCall("PUSER1", "PSCHED", "", "")
	for name, body := range map[string]string{
		"nothing":                "",
		"an error with a status": `{"error":{"message":"Not Found"}}`,
		"another schedule":       page(false, ok, onCall("PUSER1", "POTHER", "", "")),
		"a turn of nobody":       page(false, strings.Replace(ok, "PUSER1", "", 1)),
		"one that ends at once":  page(false, onCall("PUSER1", "PSCHED", "2026-01-05T06:00:00Z", "2026-01-05T06:00:00Z")),
		"a member twice":         strings.Replace(page(false, ok), `"more":false`, `"more":true,"more":false`, 1),
		"no end of pages":        page(true, ok),
		"no word about pages":    strings.Replace(page(false, ok), `"more":false,`, "", 1),
		"a flood":                page(false, ok) + strings.Repeat(" ", 5<<20),
	} {
		s, _ := pagerDutyDouble(t, body)
		turns, err := s.Turns(t.Context(), from, from.Add(time.Hour))
		if !errors.Is(err, writ.ErrUnavailable) || turns != nil {
			t.Errorf("%s: %+v, %v", name, turns, err)
		}
	}
}

func TestI20NoErrorOfASourceShowsItsAddressOrItsToken(t *testing.T) {
	t.Parallel()
	down := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			io.WriteString(w, calendarText)
			return
		}
		http.Redirect(w, r, "/elsewhere?"+token, http.StatusFound)
	}))
	defer down.Close()
	closed := httptest.NewTLSServer(nil)
	closed.Close()
	for name, ask := range map[string]func() error{
		"a redirect is not followed": func() error {
			_, err := rota.NewFeed(down.URL+"/private-"+token+".ics", web(down), time.UTC, people).Turns(t.Context(), from, from)
			return err
		},
		"nobody listens": func() error {
			_, err := rota.NewPagerDuty(closed.URL, token, []string{"P"}, rota.Web{}, people).Turns(t.Context(), from, from)
			return err
		},
		"a certificate of nobody": func() error {
			_, err := rota.NewFeed(down.URL+"/private-"+token+".ics", rota.Web{}, time.UTC, people).Turns(t.Context(), from, from)
			return err
		},
		"no such file": func() error {
			_, err := rota.NewFile("/nowhere/"+token, time.UTC, people).Turns(t.Context(), from, from)
			return err
		},
	} {
		err := ask()
		if !errors.Is(err, writ.ErrUnavailable) || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const calendarText = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Europe/Berlin:20260105T090000\r\nDURATION:PT8H\r\nRRULE:FREQ=DAILY\r\n" +
	"ATTENDEE:mailto:ann@corp.example\r\nATTENDEE:mailto:stranger@corp.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

func TestACalendarIsReadFromAFileOrAnAddressEachTimeAnew(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "oncall.ics")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(calendarText)
	s := httptest.NewTLSServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer s.Close()
	for name, source := range map[string]*rota.ICal{"file": rota.NewFile(file, time.UTC, people), "address": rota.NewFeed(s.URL+"/oncall.ics", web(s), time.UTC, people)} {
		write(calendarText)
		turns, err := source.Turns(t.Context(), from, from.Add(time.Minute))
		if err != nil || len(turns) != 1 || turns[0].Person != ann || !turns[0].From.Equal(from) || !turns[0].Until.Equal(from.Add(8*time.Hour)) {
			t.Errorf("%s: %+v %v", name, turns, err)
		}
		write(strings.Replace(calendarText, "END:VCALENDAR", "", 1))
		if turns, err := source.Turns(t.Context(), from, from.Add(time.Minute)); err == nil {
			t.Errorf("%s: half a calendar says %+v", name, turns)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(page(false, onCall("PUSER1", "PSCHED", "", "2026-01-05T06:00:00Z"))))
	f.Add([]byte(`{"oncalls":[],"more":false}`))
	s := rota.NewPagerDuty("https://127.0.0.1", token, []string{"PSCHED"}, rota.Web{}, people)
	f.Fuzz(func(t *testing.T, b []byte) {
		turns, _, err := s.ParsePage(b)
		for _, x := range turns {
			if err != nil || x.Person != ann {
				t.Errorf("%+v %v", x, err)
			}
		}
	})
}
