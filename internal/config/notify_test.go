package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
)

// example is the configuration that docs/notifications.md shows.
func example(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	return text
}

func load(t testing.TB, text string) (config.Server, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "writ.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.LoadNotices(file)
}

func TestTheDocumentedNotifyIsTaken(t *testing.T) {
	s, err := load(t, example(t))
	if err != nil {
		t.Fatal(err)
	}
	routes, contacts := s.NoticeRoutes()
	if len(s.Notify.Channels) != 4 || len(routes) != 3 || contacts[writ.Person{Iss: "https://idp.corp.example", Sub: "ann"}]["mail"] != "ann@corp.example" {
		t.Errorf("%+v %+v", routes, contacts)
	}
}

func TestANotifyThatWouldLeakOrTellNobodyIsOneSentence(t *testing.T) {
	for want, change := range map[string][2]string{
		"slack.url_file must name a file":                 {"secrets/slack", "https://hooks.slack.test/services/T/B/x"},
		"exactly one of webhook, slack, ntfy and mail":    {"slack: {url_file: secrets/slack}", ""},
		`there is no channel "opps"`:                      {"{channel: ops, wait: 5m}", "{channel: opps}"},
		"a group is told by mail":                         {"{channel: ops, wait: 5m}", "{channel: ops, group: owner}"},
		"is the last and must have no conditions":         {"- to: [{channel: ops}, {channel: mail}]", "- {severity: 1, to: [{channel: ops}]}"},
		`there is no event "freeze.lift"`:                 {"events: [freeze.lifted", "events: [freeze.lift"},
		"is not a mail address":                           {"ann@corp.example", "Ann"},
		`"ops" is no mail channel`:                        {"contact: {mail:", "contact: {ops:"},
		"must be a plain name of its own":                 {"- name: push", "- name: ops"},
		"tls must be starttls or implicit":                {"tls: starttls", "tls: ssl"},
		"user and password_file together":                 {"password_file: secrets/smtp, ", ""},
		"unknown field":                                   {"secret_file", "secret"},
		"wait must be at most":                            {"wait: 2m", "wait: 100h"},
		"must have url, or url_file":                      {"url: https://oncall.corp.example/writ, ", ""},
		"notify.channels[3].mail.server must be an addre": {"smtp.corp.example:587", "smtp.corp.example"},
	} {
		text := example(t)
		if strings.Count(text, change[0]) < 1 {
			t.Fatalf("the example has no %q", change[0])
		}
		_, err := load(t, strings.Replace(text, change[0], change[1], 1))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// Whatever stands in the file: it is refused, or every channel of every route is there.
func FuzzNotify(f *testing.F) {
	f.Add("notify:\n  channels: [{name: ops, slack: {url_file: x}}]\n  routes: [{to: [{channel: ops}]}]\n")
	f.Add("approvers: [{contact: {mail: a@b.c}}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := load(t, text)
		if err != nil {
			return
		}
		names := map[string]bool{}
		if s.Notify != nil {
			for _, c := range s.Notify.Channels {
				names[c.Name] = true
			}
		}
		routes, _ := s.NoticeRoutes()
		if s.Notify != nil && len(routes) == 0 {
			t.Error("there is no route, so nobody is told")
		}
		for _, r := range routes {
			for _, h := range r.Hops {
				if !names[h.Channel] {
					t.Errorf("a route names the channel %q", h.Channel)
				}
			}
		}
	})
}
