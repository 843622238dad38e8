package ledger

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/writ-dev/writ/internal/canon"
)

func FuzzAnEnvelopeIsReadAsCanonReadsIt(f *testing.F) {
	author, err := NewAuthor(ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		f.Fatal(err)
	}
	whole, err := SealEnvelope(RecordType, []byte(`{"a":1}`), author)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(append(bytes.Clone(whole), ' '))
	f.Add(bytes.Replace(whole, []byte(`"sig":`), []byte(`"Sig":`), 1))
	f.Add(bytes.Replace(whole, []byte(`}]}`), []byte(`},{}]}`), 1))
	for _, s := range []string{
		`{"payload":"YQ==","payloadType":"t","signatures":[{"keyid":"k","sig":"YQ=="}]}`,
		`{"payload":"YR==","payloadType":"t","signatures":[{"keyid":"k","sig":"YQ=="}]}`,
		`{"payload":"YQ==","payloadType":"é","signatures":[{"keyid":"k","sig":"YQ=="}]}`,
		`{"payload":"YQ==","payloadType":"\u0061","signatures":[{"keyid":"k","sig":"YQ=="}]}`,
		`{"payload":"","payloadType":"t","signatures":[{"keyid":"k","sig":""}]}`,
		`{"payload":"YQ==","payloadType":"t","signatures":[{"keyid":"k","sig":"YQ=="},{"keyid":"k","sig":"YQ=="}]}`,
		"{\"payload\":\"YQ\n==\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"k\",\"sig\":\"YQ==\"}]}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Skimmer
		opened, err := OpenEnvelope(b, RecordType)
		if payload, skimmed := m.open(b); (skimmed == nil) != (err == nil) || !bytes.Equal(payload, opened.Payload) {
			t.Fatalf("%q: skimmed %q, %v; opened %q, %v", b, payload, skimmed, opened.Payload, err)
		}
		var want Envelope
		parsed := canon.Parse(b, &want) == nil
		got, ok := read(b)
		if !ok {
			return
		}
		if !parsed {
			t.Fatalf("%q: canon refuses what was read", b)
		}
		x, err := canon.Marshal(got)
		y, ok := want.write()
		if err != nil || !ok || !bytes.Equal(x, b) || !bytes.Equal(y, b) {
			t.Fatalf("%q: %q and %q, %v", b, x, y, err)
		}
	})
}
