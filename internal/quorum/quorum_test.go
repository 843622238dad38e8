package quorum_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/quorum"
)

const (
	kind = "application/vnd.writ.test+json"
	most = 16 << 10
)

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func owners(threshold int, n ...byte) quorum.Owners {
	o := quorum.Owners{Threshold: threshold}
	for _, x := range n {
		o.Keys = append(o.Keys, key(x).Public().(ed25519.PublicKey))
	}
	return o
}

// signed is a document that the owners have signed, in this order.
func signed(t testing.TB, by ...byte) quorum.Envelope {
	t.Helper()
	e := quorum.Envelope{PayloadType: kind, Payload: []byte("what they agree on")}
	for _, n := range by {
		file, err := e.Sign(key(n))
		if err == nil {
			e, err = quorum.Open(file, kind, most)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func TestADocumentCountsOnceEnoughDifferentOwnersHaveSignedIt(t *testing.T) {
	twice := signed(t, 1)
	twice.Signatures = append(twice.Signatures, twice.Signatures[0])
	altered := signed(t, 1)
	altered.Payload = []byte("what they do not agree on")
	renamed := signed(t, 1)
	renamed.PayloadType = kind + "2"
	borrowed := signed(t, 7)
	borrowed.Signatures[0].KeyID = quorum.KeyID(key(1).Public().(ed25519.PublicKey))
	for name, c := range map[string]struct {
		e      quorum.Envelope
		owners quorum.Owners
		who    []byte
	}{
		"one of one":                         {signed(t, 1), owners(1, 1), []byte{1}},
		"two of three, a stranger beside":    {signed(t, 3, 7, 1), owners(2, 1, 2, 3), []byte{1, 3}},
		"one, and two are needed":            {signed(t, 1), owners(2, 1, 2), nil},
		"strangers":                          {signed(t, 7, 8), owners(1, 1), nil},
		"one signature twice":                {twice, owners(2, 1, 2), nil},
		"another payload":                    {altered, owners(1, 1), nil},
		"another type":                       {renamed, owners(1, 1), nil},
		"a stranger's under an owner's name": {borrowed, owners(1, 1), nil},
		"nobody is needed":                   {signed(t, 1), owners(0, 1), nil},
		"more are needed than there are":     {signed(t, 1, 2), owners(3, 1, 2), nil},
		"one owner pinned twice":             {signed(t, 1), owners(1, 1, 1), nil},
		"an owner whose key is none":         {signed(t, 1), quorum.Owners{Keys: []ed25519.PublicKey{{1}}, Threshold: 1}, nil},
	} {
		var want []string
		for _, n := range c.who {
			want = append(want, quorum.KeyID(key(n).Public().(ed25519.PublicKey)))
		}
		slices.Sort(want)
		who, err := c.owners.Signed(c.e)
		if (err == nil) != (c.who != nil) || !slices.Equal(who, want) {
			t.Errorf("%s: %v, %v", name, who, err)
		}
	}
}

func TestAnOwnerSignsOnceAndOnlySoManyOwnersSign(t *testing.T) {
	e := signed(t, 1)
	if _, err := e.Sign(key(1)); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("a second signature of one owner: %v", err)
	}
	if _, err := e.Sign(ed25519.PrivateKey{1}); err == nil {
		t.Error("a key that is none signed")
	}
	for n := byte(2); n <= quorum.MaxSignatures; n++ {
		e = signed(t, append([]byte{}, rest(n)...)...)
	}
	if _, err := e.Sign(key(200)); err == nil || errors.Is(err, writ.ErrConflict) {
		t.Errorf("one signature more than MaxSignatures: %v", err)
	}
}

func rest(n byte) (out []byte) {
	for x := byte(1); x <= n; x++ {
		out = append(out, x)
	}
	return out
}

func TestWhatIsNoSignedDocumentIsRefused(t *testing.T) {
	b, err := canon.Marshal(signed(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	if _, err := quorum.Open(b, kind, len(b)); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"nothing": "", "no JSON": "x", "another type": strings.Replace(good, "writ.test", "writ.trust", 1),
		"no signatures":        good[:strings.Index(good, `"signatures":`)] + `"signatures":[]}`,
		"one byte too large":   good + " ",
		"an unknown member":    strings.Replace(good, `{"payload"`, `{"more":1,"payload"`, 1),
		"a member named twice": strings.Replace(good, `{"payload"`, `{"payload":"","payload"`, 1),
	} {
		if file == good {
			t.Fatal(name)
		}
		if _, err := quorum.Open([]byte(file), kind, len(b)); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	b, err := canon.Marshal(signed(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, file []byte) {
		e, err := quorum.Open(file, kind, most)
		if err != nil {
			return
		}
		who, err := owners(1, 1).Signed(e)
		if err == nil && (len(who) != 1 || string(e.Payload) != "what they agree on") {
			t.Fatalf("a forgery counts: %v, %q", who, e.Payload)
		}
	})
}
