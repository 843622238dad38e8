package writ_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

func TestIdentifiersComeInOnlyInTheirOwnForm(t *testing.T) {
	const ulid = "01JDB4A2Q7N5S3J8E6X0F4G1MB"
	if id, err := writ.ParsePlanID("pln_" + ulid); err != nil || id == "" {
		t.Fatal(err)
	}
	for _, s := range []string{"", "pln_", "pln_" + ulid[1:], "pln_" + ulid + "0", "run_" + ulid, "pln_" + strings.ToLower(ulid), "pln_8" + ulid[1:], "pln_" + ulid[:25] + "U", "pln_../../etc/passwd_______"} {
		if id, err := writ.ParsePlanID(s); !errors.Is(err, writ.ErrInvalid) || id != "" {
			t.Errorf("%q: %q, %v", s, id, err)
		}
	}
}

func TestZeroDigestEqualsNothing(t *testing.T) {
	var zero writ.Digest
	if zero.Equal(zero) || zero.Equal(writ.DigestOf(nil)) {
		t.Error("the zero digest equals something")
	}
	if _, err := json.Marshal(zero); err == nil {
		t.Error("the zero digest was written out")
	}
	d := writ.DigestOf([]byte("a"))
	if again, err := writ.ParseDigest(d.String()); err != nil || !again.Equal(d) {
		t.Errorf("round trip: %v", err)
	}
	for _, s := range []string{"", "sha256:", strings.ToUpper(d.String()), d.String()[7:], d.String() + "0", "sha256:" + strings.Repeat("0", 64), "hmac-sha256:" + d.String()[7:]} {
		if _, err := writ.ParseDigest(s); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestCommitmentHidesAndBinds(t *testing.T) {
	salt := [writ.SaltSize]byte{1}
	c := writ.Commit(salt, "body", []byte("x"))
	for name, other := range map[string]writ.Commitment{
		"content": writ.Commit(salt, "body", []byte("y")),
		"name":    writ.Commit(salt, "preimage", []byte("x")),
		"salt":    writ.Commit([writ.SaltSize]byte{2}, "body", []byte("x")),
		"border":  writ.Commit(salt, "bodyx", nil),
	} {
		if c.Equal(other) {
			t.Errorf("another %s gives the same commitment", name)
		}
	}
	if !c.Equal(writ.Commit(salt, "body", []byte("x"))) {
		t.Error("the same input gives another commitment")
	}
}

func TestI07NamesAreNeverTextForAnInterpreter(t *testing.T) {
	for _, s := range []string{"checkout", "prod-eu1", "a.b.c", "node_1", strings.Repeat("a", 63)} {
		if !writ.IsName(s) {
			t.Errorf("%q should be a name", s)
		}
	}
	for _, s := range []string{"", "Checkout", "a b", "a;rm", "$(x)", "../a", "a/b", "a%2fb", "-a", "a-", "a..b", "a\n", "ａ", "a\u202eb", strings.Repeat("a", 64), "'; drop table"} {
		if writ.IsName(s) {
			t.Errorf("%q must not be a name", s)
		}
	}
}

func TestLocationScopeEndsAtWholeSegments(t *testing.T) {
	l, err := writ.ParseLocation("kubernetes://prod-eu1/shop/deployment/checkout")
	if err != nil || l.Plane() != "kubernetes" || l.Target() != "kubernetes://prod-eu1" || len(l.Segments()) != 3 {
		t.Fatalf("%v %v", l, err)
	}
	for prefix, want := range map[writ.Location]bool{
		"kubernetes://prod-eu1/shop": true, "kubernetes://prod-eu1": true, l: true,
		"kubernetes://prod-eu1/sho": false, "kubernetes://prod-eu": false, "": false, "kubernetes://prod-eu1/shop/deployment/checkout/x": false,
	} {
		if l.Within(prefix) != want {
			t.Errorf("within %q: want %v", prefix, want)
		}
	}
	for _, s := range []string{"", "kubernetes", "kubernetes://", "kubernetes://a/../b", "kubernetes://a//b", "kubernetes://a/b?x", "k8s://A/b"} {
		if _, err := writ.ParseLocation(s); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestStatesMoveOnlyAlongTheirTables(t *testing.T) {
	if writ.PlanWaiting.Move(writ.PlanGranted) != nil {
		t.Error("a waiting plan can be granted")
	}
	for _, bad := range [][2]writ.PlanState{
		{writ.PlanDenied, writ.PlanGranted}, {writ.PlanExpired, writ.PlanGranted}, {writ.PlanRejected, writ.PlanWaiting},
		{writ.PlanDone, writ.PlanGranted}, {writ.PlanWaiting, writ.PlanDone}, {"", writ.PlanGranted}, {writ.PlanWaiting, ""},
	} {
		if err := bad[0].Move(bad[1]); !errors.Is(err, writ.ErrConflict) {
			t.Errorf("%q -> %q: %v", bad[0], bad[1], err)
		}
	}
	if writ.PlanReady.Move(writ.PlanGranted) != nil || writ.PlanReady.Move(writ.PlanDone) == nil || writ.PlanGranted.Move(writ.PlanReady) == nil || writ.PlanReady.Final() {
		t.Error("a plan that is ready is granted, once")
	}
	if writ.RunUncertain.Move(writ.RunSucceeded) == nil {
		t.Error("I15: an uncertain run became a success by itself")
	}
}

func TestI15UnknownIsTheZeroEffect(t *testing.T) {
	var e writ.Effect
	if e != writ.Unknown || e.String() != "unknown" {
		t.Errorf("the zero effect is %v", e)
	}
	if err := json.Unmarshal([]byte(`"succeeded"`), &e); err == nil {
		t.Error("a word outside the closed set was taken")
	}
}

func TestConditionWithoutItsFactDoesNotHold(t *testing.T) {
	c := writ.Condition{Fact: "ready", Op: writ.AtLeast, Value: writ.Int(3)}
	for name, o := range map[string]writ.Observation{
		"nothing read": nil, "other fact": {"x": writ.Int(5)}, "other type": {"ready": writ.String("5")}, "too few": {"ready": writ.Int(2)},
	} {
		if c.Holds(o) {
			t.Errorf("holds with %s", name)
		}
	}
	if !c.Holds(writ.Observation{"ready": writ.Int(3)}) {
		t.Error("does not hold at the bound")
	}
	if (writ.Condition{Fact: "ready", Op: "matches", Value: writ.Int(3)}).Holds(writ.Observation{"ready": writ.Int(3)}) {
		t.Error("an unknown comparison holds")
	}
}

func TestR21PrincipalsArePairs(t *testing.T) {
	a := writ.Principal{Kind: writ.KindHuman, Iss: "https://a", Sub: "u-1"}
	b := writ.Principal{Kind: writ.KindHuman, Iss: "https://b", Sub: "u-1"}
	if a.Same(b) || (writ.Principal{}).Same(writ.Principal{}) {
		t.Error("two issuers, or nobody twice, are one identity")
	}
	if (writ.Principal{Kind: writ.KindHuman, Sub: "u-1"}).Valid() || (writ.Principal{Kind: "robot", Iss: "a", Sub: "b"}).Valid() {
		t.Error("an incomplete principal is valid")
	}
}

func TestPrintableShowsWhatHides(t *testing.T) {
	got := writ.Printable("a\x1b[31m\u202eb\u200bc\U000e0041", 40)
	if got != `a\u{1b}[31m\u{202e}b\u{200b}c\u{e0041}` {
		t.Errorf("got %q", got)
	}
	if got := writ.Printable(strings.Repeat("x", 100), 5); got != "xxxxx…" {
		t.Errorf("got %q", got)
	}
}

func TestRecordsKeepToTheRegistryOfKinds(t *testing.T) {
	by := writ.Principal{Kind: writ.KindService, Iss: "writ", Sub: "control"}
	r, err := writ.NewRecord("log", writ.EntryRun, time.Unix(1, 0), "", by, "0123456789012345678901",
		writ.RunBody{Run: "run_01JDB4A2Q7N5S3J8E6X0F4G1MB", Grant: "gnt_01JDB4A2Q7N5S3J8E6X0F4G1MB", Plan: "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB", PlanDigest: writ.DigestOf(nil), State: writ.RunSucceeded})
	if err != nil {
		t.Fatal(err)
	}
	b, err := canon.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, body, err := writ.ParseRecord(b); err != nil || body.(*writ.RunBody).State != writ.RunSucceeded {
		t.Fatalf("round trip: %v", err)
	}
	if _, err := writ.NewRecord("log", "surprise", time.Unix(1, 0), "", by, "0123456789012345678901", writ.RunBody{}); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("an unknown kind was taken: %v", err)
	}
	if _, err := writ.NewRecord("log", writ.EntryGrant, time.Unix(1, 0), "", by, "0123456789012345678901", r); err == nil {
		t.Error("a body of another kind was taken")
	}
	for _, change := range [][2]string{{`"v":1`, `"v":2`}, {`"kind":"run"`, `"kind":"grant"`}, {`"iss":"writ"`, `"iss":""`}, {`"log":"log"`, `"log":""`}} {
		in := strings.Replace(string(b), change[0], change[1], 1)
		if in == string(b) {
			t.Fatalf("%v changed nothing", change)
		}
		if _, _, err := writ.ParseRecord([]byte(in)); err == nil {
			t.Errorf("%v was taken", change)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, d, err := writ.ParsePlan(b)
		if err != nil {
			return
		}
		again, err := p.Bytes()
		if err != nil || string(again) != string(b) || !d.Equal(writ.DigestOf(b)) {
			t.Fatalf("accepted %q but gives %q, %v", b, again, err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, _, err := writ.ParseRecord(b); err == nil && !r.Actor.Valid() {
			t.Fatal("accepted a record without an actor")
		}
	})
}
