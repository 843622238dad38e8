package writ_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

func ask() writ.BreakGlassStatement {
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	return writ.BreakGlassStatement{
		Type: writ.BreakGlassType, Incident: "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB", Service: "shop",
		Playbook: writ.PlaybookRef{Name: "emergency-restart", Version: 1, Digest: writ.DigestOf(nil)}, Parameters: writ.DigestOf(nil),
		Asker: writ.Person{Iss: "https://idp.example", Sub: "ann"}, Nonce: "0123456789012345678901", NotBefore: at, Expires: at.Add(writ.MaxBreakGlassLife),
	}
}

func TestABreakGlassStatementIsWholeAndShortLived(t *testing.T) {
	for name, change := range map[string]func(*writ.BreakGlassStatement){
		"another type":           func(s *writ.BreakGlassStatement) { s.Type = writ.ApprovalType },
		"a drill on an incident": func(s *writ.BreakGlassStatement) { s.Drill = true },
		"no incident":            func(s *writ.BreakGlassStatement) { s.Incident = "" },
		"no service":             func(s *writ.BreakGlassStatement) { s.Service = "" },
		"no playbook":            func(s *writ.BreakGlassStatement) { s.Playbook.Name = "" },
		"no parameters":          func(s *writ.BreakGlassStatement) { s.Parameters = writ.Digest{} },
		"nobody":                 func(s *writ.BreakGlassStatement) { s.Asker.Sub = "" },
		"a short nonce":          func(s *writ.BreakGlassStatement) { s.Nonce = "1" },
		"a life of nothing":      func(s *writ.BreakGlassStatement) { s.Expires = s.NotBefore },
		"more than 15 minutes":   func(s *writ.BreakGlassStatement) { s.Expires = s.Expires.Add(time.Second) },
	} {
		s := ask()
		change(&s)
		b, err := s.Bytes()
		if err != nil {
			continue // a zero digest has no form at all
		}
		if _, err := writ.ParseBreakGlassStatement(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzBreakGlassStatement(f *testing.F) {
	b, err := ask().Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"_type":"https://writ.dev/breakglass/v1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := writ.ParseBreakGlassStatement(b)
		if err != nil {
			return
		}
		if again, err := s.Bytes(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q came back as %q, %v", b, again, err)
		}
	})
}
