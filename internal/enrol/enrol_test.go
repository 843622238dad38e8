package enrol_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/enrol"
	"github.com/writ-dev/writ/internal/pin"
)

const runner = writ.RunnerID("spiffe://writ.test/runner/prod-eu1")

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var server = pin.Fingerprint(public(key(1)))

func TestACodeIsReadAsItWasWritten(t *testing.T) {
	c, err := enrol.New(server, runner, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := enrol.ParseCode(c.String() + "\n")
	if err != nil || got != c {
		t.Errorf("%+v, %v; want %+v", got, err, c)
	}
	other, err := enrol.New(server, runner, rand.Reader)
	if err != nil || other.Secret == c.Secret || enrol.Hash(other.Secret).Equal(enrol.Hash(c.Secret)) {
		t.Error("two codes are the same")
	}
}

func TestI20WhatIsNoCodeIsRefusedAndNotQuoted(t *testing.T) {
	c, err := enrol.New(server, runner, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := c.String()
	for name, s := range map[string]string{
		"empty": "", "cut": text[:len(text)-9], "without its beginning": text[11:], "a part more": text + ".x", "too long": text + strings.Repeat("A", 2000),
		"of another secret's length": strings.Replace(text, c.Secret, c.Secret[4:], 1),
	} {
		if _, err := enrol.ParseCode(s); err == nil || strings.Contains(err.Error(), c.Secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProofIsForOneKeyRunnerServerAndMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	proof, err := enrol.Prove(key(2), runner, server, now)
	if err != nil {
		t.Fatal(err)
	}
	if !enrol.Proved(public(key(2)), proof, runner, server, now, now.Add(enrol.MaxAge)) {
		t.Error("a good proof is refused")
	}
	for name, ok := range map[string]bool{
		"another key":    enrol.Proved(public(key(3)), proof, runner, server, now, now),
		"another runner": enrol.Proved(public(key(2)), proof, "spiffe://writ.test/runner/prod-us1", server, now, now),
		"another server": enrol.Proved(public(key(2)), proof, runner, pin.Fingerprint(public(key(4))), now, now),
		"another time":   enrol.Proved(public(key(2)), proof, runner, server, now.Add(time.Second), now),
		"too late":       enrol.Proved(public(key(2)), proof, runner, server, now, now.Add(enrol.MaxAge+time.Second)),
		"too early":      enrol.Proved(public(key(2)), proof, runner, server, now, now.Add(-enrol.MaxAge-time.Second)),
		"no key":         enrol.Proved(nil, proof, runner, server, now, now),
	} {
		if ok {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	c, err := enrol.New(server, runner, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.String())
	f.Fuzz(func(t *testing.T, s string) {
		c, err := enrol.ParseCode(s)
		if err == nil && c.String() != strings.TrimSpace(s) {
			t.Errorf("%q is read as %q", s, c.String())
		}
	})
}
