package trust_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/trust"
)

func TestAnOwnerSignsOnce(t *testing.T) {
	file := signedFile(t, vectorTrust(t), "owner 1")
	if _, err := trust.AddSignature(file, edKey("owner 1")); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("want ErrConflict, got %v", err)
	}
	if _, err := trust.Sign(vectorTrust(t), nil); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("signed without a key: %v", err)
	}
	shown, err := trust.Payload(file)
	if err != nil || shown.Version != 7 {
		t.Errorf("%+v %v", shown, err)
	}
	if _, err := trust.Payload([]byte("x")); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestAFileHasOneTo16Signatures(t *testing.T) {
	file := signedFile(t, vectorTrust(t), "owner 1")
	for i := range 15 {
		var err error
		file, err = trust.AddSignature(file, edKey(strings.Repeat("x", i+1)))
		must(t, err)
	}
	if _, err := load(file); writ.ReasonOf(err) != writ.ReasonTrustInvalid {
		t.Errorf("one owner of sixteen who signed: %v", err)
	}
	if _, err := trust.AddSignature(file, edKey("owner 2")); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("seventeen: %v", err)
	}
	more := editEnvelope(t, signedFile(t, vectorTrust(t), "owner 1", "owner 2"), func(e *envelope) {
		for range 15 {
			e.Signatures = append(e.Signatures, e.Signatures[0])
		}
	})
	if _, err := load(more); writ.ReasonOf(err) != writ.ReasonTrustInvalid {
		t.Errorf("loaded seventeen: %v", err)
	}
	none := editEnvelope(t, file, func(e *envelope) { e.Signatures = []signature{} })
	if _, err := trust.Payload(none); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("shows a file that nobody signed: %v", err)
	}
}

func TestAnOwnersKeyIsTheBase64Of32Bytes(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(owners[0])
	if got, err := trust.ParseOwner(text); err != nil || !got.Equal(owners[0]) {
		t.Errorf("%v", err)
	}
	for _, s := range []string{"", "x", text[:40], text + text, strings.TrimRight(text, "=")} {
		if got, err := trust.ParseOwner(s); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q gives %x", s, got)
		}
	}
}
