package notice_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

var at = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)

func fact(e writ.NoticeEvent, change ...func(*notice.Fact)) notice.Fact {
	f := notice.Fact{Event: e, Sentence: "something happened", Incident: "inc_1", Plan: "pln_1", Service: "shop", Environment: "prod", Team: "checkout", Severity: 1, At: at}
	for _, c := range change {
		c(&f)
	}
	return f
}

func TestEveryEventHasAClassAndAnASCIIHeading(t *testing.T) {
	for e, x := range writ.NoticeEvents {
		if x.Class != writ.NoticeAsk && x.Class != writ.NoticeAlarm && x.Class != writ.NoticeNews || x.Heading == "" {
			t.Errorf("%s: %+v", e, x)
		}
		for _, r := range x.Heading {
			if r < ' ' || r > '~' {
				t.Errorf("the heading of %s has %q", e, r)
			}
		}
	}
}

func TestTheFirstRouteWhoseConditionsHoldIsTaken(t *testing.T) {
	routes := notice.Routes{
		{Events: []writ.NoticeEvent{writ.NoticeFreezeLifted}, Silent: true},
		{Teams: []string{"checkout"}, Severity: 2, Hops: []notice.Hop{{Channel: "push"}}},
		{Hops: []notice.Hop{{Channel: "ops"}}},
	}
	if err := routes.Check([]string{"push", "ops"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    notice.Fact
		want int
		told bool
	}{
		"team and severity":      {fact(writ.NoticePlanWaiting), 1, true},
		"a milder incident":      {fact(writ.NoticePlanWaiting, func(f *notice.Fact) { f.Severity = 3 }), 2, true},
		"no incident":            {fact(writ.NoticeFreezeSet, func(f *notice.Fact) { f.Severity = 0 }), 2, true},
		"another team":           {fact(writ.NoticePlanWaiting, func(f *notice.Fact) { f.Team = "search" }), 2, true},
		"what is not to be told": {fact(writ.NoticeFreezeLifted), 0, false},
	} {
		if i, told := routes.For(c.f); i != c.want || told != c.told {
			t.Errorf("%s: route %d, told %t", name, i, told)
		}
	}
}

func TestRoutesThatCouldLeaveAFactUntoldAreRefused(t *testing.T) {
	ops := []notice.Hop{{Channel: "ops"}}
	for name, r := range map[string]notice.Routes{
		"none":                 {},
		"no catch-all":         {{Teams: []string{"checkout"}, Hops: ops}},
		"a catch-all too soon": {{Hops: ops}, {Hops: ops}},
		"a silent catch-all":   {{Silent: true}},
		"an unknown event":     {{Events: []writ.NoticeEvent{"plan.waits"}, Hops: ops}, {Hops: ops}},
		"the test event":       {{Events: []writ.NoticeEvent{writ.NoticeTest}, Hops: ops}, {Hops: ops}},
		"an unknown channel":   {{Hops: []notice.Hop{{Channel: "opps"}}}},
		"nobody":               {{Teams: []string{"checkout"}}, {Hops: ops}},
		"silent and not":       {{Teams: []string{"checkout"}, Silent: true, Hops: ops}, {Hops: ops}},
		"a severity":           {{Severity: 5, Hops: ops}, {Hops: ops}},
	} {
		if err := r.Check([]string{"ops"}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestAGroupIsItsMembersOneAfterTheOtherAndNobodyTwice(t *testing.T) {
	ann, bob := writ.Person{Iss: "i", Sub: "ann"}, writ.Person{Iss: "i", Sub: "bob"}
	members := func(group, channel string) []writ.Person {
		return map[string][]writ.Person{"checkout mail": {ann, bob}, "checkout-oncall mail": {bob}}[group+" "+channel]
	}
	r := notice.Route{Hops: []notice.Hop{{Channel: "mail", Group: "oncall", Wait: time.Second}, {Channel: "mail", Group: "owner"}, {Channel: "ops"}, {Channel: "ops"}}}
	got := r.Stops(fact(writ.NoticePlanWaiting), members)
	want := []notice.Stop{{"mail", bob, time.Second}, {"mail", ann, notice.Untold}, {"ops", writ.Person{}, notice.Untold}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("stop %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestAMessageIsASummaryAndALink(t *testing.T) {
	second := fact(writ.NoticePlanWaiting, func(f *notice.Fact) { f.Plan = "pln_2" })
	one := notice.Compose("ntc_1.0", []notice.Fact{fact(writ.NoticePlanWaiting)}, 1, false, "https://writ.test")
	if one.Link != "https://writ.test/plans/pln_1" || one.Subject() != "Writ: a plan waits for approval, shop in prod" || !one.Urgent || one.Thread != "inc_1" {
		t.Errorf("%+v %q", one, one.Subject())
	}
	two := notice.Compose("ntc_1.1", []notice.Fact{fact(writ.NoticePlanWaiting), second}, 7, true, "https://writ.test")
	if two.Link != "https://writ.test/incidents/inc_1" || two.Lines[2] != "And 5 more." || !strings.Contains(two.Subject(), "nobody has answered") || !strings.Contains(two.Subject(), "(7 events)") {
		t.Errorf("%+v %q", two, two.Subject())
	}
	other := fact(writ.NoticePlanWaiting, func(f *notice.Fact) { f.Incident, f.Plan, f.Service = "inc_2", "pln_3", "search" })
	if m := notice.Compose("k", []notice.Fact{second, other}, 2, false, "https://writ.test"); m.Link != "https://writ.test/" || m.Place != "" || m.Thread != "several" {
		t.Errorf("%+v", m)
	}
}

func TestTextOfOthersIsShownAndLinksNowhere(t *testing.T) {
	got := notice.Clean("see HTTPS://evil.test \u202e www.evil.test\r\nBcc: x", 300)
	if strings.Contains(strings.ToLower(got), "https:") || strings.Contains(got, "www.") || strings.ContainsAny(got, "\r\n\u202e") {
		t.Errorf("%q", got)
	}
}

func TestRestGrowsAndIsSpread(t *testing.T) {
	for tries, whole := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second} {
		if low, high := notice.Rest(tries, 0), notice.Rest(tries, 1<<32-1); low != whole/2 || high > whole || high < whole*9/10 {
			t.Errorf("after %d: %s to %s", tries, low, high)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("https://x", 10)
	f.Add("\r\n\x00\u202e", 300)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = min(max(limit, 1), 400)
		got := notice.Clean(s, limit)
		if strings.ContainsAny(got, "\r\n\x00") || utf8.RuneCountInString(got) > limit*10+1 {
			t.Errorf("%q gives %q", s, got)
		}
	})
}
