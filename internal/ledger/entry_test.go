package ledger_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

func TestASealedRecordOpensAndNamesItsAuthor(t *testing.T) {
	leaf := seal(t, 1)
	e, err := ledger.VerifyAuthor(leaf, trust(key(3)))
	if err != nil {
		t.Fatal(err)
	}
	body, ok := e.Body.(*writ.EffectBody)
	if !ok || body.Effect != writ.Applied || e.Record.Kind != writ.EntryStepEffect || e.KeyID() != ledger.KeyID(public(key(3))) || !e.Hash.Equal(ledger.LeafHash(leaf)) {
		t.Errorf("opened %+v", e)
	}
	again, err := ledger.Seal(e.Record, author(t, key(3)))
	if err != nil || !bytes.Equal(again, leaf) {
		t.Errorf("sealed again: %s, %v", again, err)
	}
}

func TestI17ALeafHasOneSpelling(t *testing.T) {
	leaf := string(seal(t, 1))
	e, err := ledger.Open([]byte(leaf))
	if err != nil {
		t.Fatal(err)
	}
	payload := string(e.Envelope.Payload)
	withPayload := func(old, new string) string {
		changed := strings.Replace(payload, old, new, 1)
		if changed == payload {
			t.Fatalf("%s: nothing was changed", new)
		}
		sealed, err := ledger.SealEnvelope(ledger.RecordType, []byte(changed), author(t, key(3)))
		if err != nil {
			t.Fatal(err)
		}
		return string(sealed)
	}
	withLeaf := func(old, new string) string { return strings.Replace(leaf, old, new, 1) }
	sig := base64.StdEncoding.EncodeToString(e.Envelope.Signatures[0].Sig)
	for name, in := range map[string]string{
		"empty":                      "",
		"trailing bytes":             leaf + "\n",
		"leading space":              " " + leaf,
		"an extra member":            withLeaf(`{"payload"`, `{"more":"x","payload"`),
		"a member twice":             withLeaf(`{"payload"`, `{"payload":"","payload"`),
		"a case variant":             withLeaf(`"payloadType"`, `"PayloadType"`),
		"another type":               withLeaf("vnd.writ.record", "vnd.writ.recorc"),
		"no signature":               withLeaf(`[{"keyid":"`+e.KeyID()+`","sig":"`+sig+`"}]`, `[]`),
		"two signatures":             withLeaf(`"}]`, `"},{"keyid":"`+e.KeyID()+`","sig":"`+sig+`"}]`),
		"a short signature":          withLeaf(sig, sig[:40]),
		"an empty key id":            withLeaf(e.KeyID(), ""),
		"base64 with a line break":   withLeaf(sig, sig[:8]+`\n`+sig[8:]),
		"not a record":               withPayload(`{"actor"`, `{"x":1,"actor"`),
		"an unknown kind":            withPayload(`"step.effect"`, `"step.effort"`),
		"the kind of another body":   withPayload(`"step.effect"`, `"step.intent"`),
		"a body member twice":        withPayload(`"ms":40`, `"ms":40,"ms":40`),
		"a body member's case":       withPayload(`"ms":40`, `"MS":40`),
		"a fraction":                 withPayload(`"ms":40`, `"ms":40.5`),
		"an integer beyond 2^53":     withPayload(`"ms":40`, `"ms":9007199254740993`),
		"null":                       withPayload(`"version":"78"`, `"version":null`),
		"bad UTF-8":                  withPayload(`"78"`, "\"\xff\""),
		"a lone surrogate":           withPayload(`"78"`, `"\ud800"`),
		"another version":            withPayload(`"v":1`, `"v":2`),
		"an escaped letter":          withPayload(`"78"`, `"\u0037\u0038"`),
		"a time with another offset": withPayload(`03:00:01Z`, `05:00:01+02:00`),
		"a time in microseconds":     withPayload(`03:00:01Z`, `03:00:01.000001Z`),
		"members in another order":   withPayload(`"effect":"applied","ms":40`, `"ms":40,"effect":"applied"`),
		"too large":                  withPayload(`"78"`, `"`+strings.Repeat("7", writ.MaxLeaf)+`"`),
	} {
		if in == leaf {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := ledger.Open([]byte(in)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: want %v, got %v", name, writ.ErrInvalid, err)
		}
	}
}

func TestI17OnlyTheAuthorsKeySigns(t *testing.T) {
	leaf := seal(t, 1)
	e, err := ledger.Open(leaf)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ledger.Seal(record(t, 2), author(t, key(3)))
	if err != nil {
		t.Fatal(err)
	}
	o, err := ledger.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	moved := e.Envelope
	moved.Payload = o.Envelope.Payload
	retyped := e.Envelope
	retyped.PayloadType = "application/vnd.writ.feed.v1+json"
	renamed := e.Envelope
	renamed.Signatures = []ledger.Signature{{KeyID: ledger.KeyID(public(key(4))), Sig: e.Envelope.Signatures[0].Sig}}
	wrongKey := func(string) ed25519.PublicKey { return public(key(4)) }
	for name, err := range map[string]error{
		"an unknown key":                  e.Envelope.Verify(trust(key(4))),
		"a key of another id":             e.Envelope.Verify(wrongKey),
		"a signature on another payload":  moved.Verify(trust(key(3))),
		"a signature of another type":     retyped.Verify(trust(key(3))),
		"a signature under another's id":  renamed.Verify(trust(key(4))),
		"an envelope without a signature": ledger.Envelope{Payload: e.Envelope.Payload, PayloadType: ledger.RecordType}.Verify(trust(key(3))),
	} {
		if !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: want %v, got %v", name, writ.ErrInvalid, err)
		}
	}
	if _, err := ledger.VerifyAuthor(leaf, trust(key(4))); err == nil {
		t.Error("VerifyAuthor took a stranger's entry")
	}
}

func TestSealRefusesWhatOpenWouldNotTake(t *testing.T) {
	ok := record(t, 1)
	for name, change := range map[string]func(*writ.Record){
		"no log":        func(r *writ.Record) { r.Log = "" },
		"no actor":      func(r *writ.Record) { r.Actor = writ.Principal{} },
		"a short nonce": func(r *writ.Record) { r.Nonce = "1" },
		"another kind":  func(r *writ.Record) { r.Kind = writ.EntryPlan },
		"a loose body":  func(r *writ.Record) { r.Body = []byte(`{"ms":1.5}`) },
		"too much of it": func(r *writ.Record) {
			r.Refs = make([]writ.Ref, 1)
			r.Refs[0] = writ.Ref{Rel: strings.Repeat("x", writ.MaxLeaf), Leaf: ok.Refs[0].Leaf}
		},
	} {
		r := ok
		change(&r)
		if leaf, err := ledger.Seal(r, author(t, key(3))); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %d bytes, %v", name, len(leaf), err)
		}
	}
	if _, err := ledger.Seal(ok, ledger.Author{}); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("no key: %v", err)
	}
	p256, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.NewAuthor(p256); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a key of another kind: %v", err)
	}
	if _, err := ledger.Seal(ok, ledger.Author{KeyID: "x", Key: broken{public(key(3))}}); err == nil {
		t.Error("a key that cannot sign sealed an entry")
	}
}

type broken struct{ pub ed25519.PublicKey }

func (b broken) Public() crypto.PublicKey { return b.pub }

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("token removed")
}

func FuzzOpen(f *testing.F) {
	f.Add(seal(f, 1))
	f.Add([]byte(`{"payload":"","payloadType":"application/vnd.writ.record.v1+json","signatures":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ledger.Open(b)
		if err != nil {
			return
		}
		if !e.Hash.Equal(ledger.LeafHash(b)) || e.Body == nil || len(b) > writ.MaxLeaf {
			t.Fatalf("opened %q", b)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r, a := record(b, 1), author(b, key(3))
	for b.Loop() {
		if _, err := ledger.Seal(r, a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAuthor(b *testing.B) {
	leaf, look := seal(b, 1), trust(key(3))
	for b.Loop() {
		if _, err := ledger.VerifyAuthor(leaf, look); err != nil {
			b.Fatal(err)
		}
	}
}
