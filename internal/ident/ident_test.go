package ident_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
)

var now = time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)

func TestAnIdentifierIsItsKindAndAULIDOfItsTime(t *testing.T) {
	at := time.UnixMilli(1469918176385) // the example of the ULID specification
	got, err := ident.New("pln", at, bytes.NewReader(make([]byte, 10)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "pln_01ARYZ6S410000000000000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := writ.ParsePlanID(got); err != nil {
		t.Error(err)
	}
}

func TestIdentifiersSortByTheirTime(t *testing.T) {
	var last string
	for i := range 100 {
		id, err := ident.New("run", now.Add(time.Duration(i)*time.Millisecond), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if id <= last {
			t.Fatalf("%s does not sort after %s", id, last)
		}
		last = id
	}
}

func TestMakeRefusesThePrefixOfAnotherKind(t *testing.T) {
	id, err := ident.Make[writ.GrantID]("gnt", now, rand.Reader)
	if err != nil || !strings.HasPrefix(string(id), "gnt_") {
		t.Errorf("%q %v", id, err)
	}
	if _, err := ident.Make[writ.GrantID]("pln", now, rand.Reader); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("want ErrInvalid, got %v", err)
	}
}

func TestNothingIsMadeWithoutRandomnessKindOrClock(t *testing.T) {
	broken := iotest.ErrReader(errors.New("no entropy"))
	if _, err := ident.New("pln", now, broken); err == nil {
		t.Error("made an identifier without randomness")
	}
	if _, err := ident.New("", now, rand.Reader); err == nil {
		t.Error("made an identifier without a kind")
	}
	if _, err := ident.New("pln", time.Time{}, rand.Reader); err == nil {
		t.Error("made an identifier without a clock")
	}
	if _, err := ident.Nonce(broken); err == nil {
		t.Error("made a nonce without randomness")
	}
	if _, err := ident.Nonce(bytes.NewReader(make([]byte, 15))); err == nil {
		t.Error("made a nonce of 120 bits")
	}
}

func TestANonceIs22CharactersAndNeverComesTwice(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n, err := ident.Nonce(rand.Reader)
		if err != nil || len(n) != 22 || seen[n] {
			t.Fatalf("%q %v, seen before: %v", n, err, seen[n])
		}
		seen[n] = true
	}
}
