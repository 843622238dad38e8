package ledger_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

const skimmed = `{"actor":{"iss":"i","kind":"service","sub":"s"},"body":{},"kind":"genesis","log":"l","nonce":"n","time":"2026-01-02T03:04:05Z","v":1}`

func enveloped(payload, sig []byte) []byte {
	text := base64.StdEncoding.EncodeToString
	return []byte(`{"payload":"` + text(payload) + `","payloadType":"` + ledger.RecordType + `","signatures":[{"keyid":"k","sig":"` + text(sig) + `"}]}`)
}

// I05: an envelope that opening refuses is not skimmed either. What is in memory from the leaf before changes nothing.
func TestI05SkimmingTakesTheEnvelopesThatOpeningTakes(t *testing.T) {
	good := enveloped([]byte(skimmed), make([]byte, 64))
	var m ledger.Skimmer
	for name, leaf := range map[string][]byte{
		"good":                 good,
		"a short signature":    enveloped([]byte(skimmed), make([]byte, 63)),
		"a long signature":     enveloped([]byte(skimmed), make([]byte, 65)),
		"no payload":           enveloped(nil, make([]byte, 64)),
		"no key":               bytes.Replace(good, []byte(`"keyid":"k"`), []byte(`"keyid":""`), 1),
		"another type":         bytes.Replace(good, []byte("record.v1"), []byte("record.v2"), 1),
		"bits left over":       bytes.Replace(good, []byte(`A=="}]}`), []byte(`B=="}]}`), 1),
		"a line end":           bytes.Replace(good, []byte(`A=="}]}`), []byte("A\n==\"}]}"), 1),
		"two signatures":       bytes.Replace(good, []byte(`"}]}`), []byte(`"},{"keyid":"k","sig":"`+base64.StdEncoding.EncodeToString(make([]byte, 64))+`"}]}`), 1),
		"something behind":     append(bytes.Clone(good), ' '),
		"cut off":              good[:len(good)-1],
		"an escape in the key": bytes.Replace(good, []byte(`"keyid":"k"`), []byte(`"keyid":"\"k"`), 1),
	} {
		for range 2 {
			_, opened := ledger.OpenEnvelope(leaf, ledger.RecordType)
			s, err := m.Skim(leaf)
			if (err == nil) != (opened == nil) || err != nil && !errors.Is(err, writ.ErrInvalid) || err == nil && s.Kind != writ.EntryGenesis {
				t.Errorf("%s: skimmed %v, opened %v", name, err, opened)
			}
			if _, err := m.Skim(good); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		}
	}
}
