package writ_test

import (
	"encoding/json"
	"testing"

	"github.com/writ-dev/writ"
)

func content(t testing.TB) (writ.EvidenceContent, writ.Commitment) {
	t.Helper()
	salt := [writ.SaltSize]byte{1, 2, 3}
	c := writ.EvidenceContent{Bytes: []byte(`{"ready":1}`), Salt: salt[:]}
	c.Evidence.ID = "ev_01JDB3Y70000000000000000AA"
	c.Evidence.Commitment = writ.Commit(salt, writ.EvidenceBlob, c.Bytes)
	return c, c.Evidence.Commitment
}

func TestAReadingOpensItsCommitmentByEveryByteOfItsContentAndSalt(t *testing.T) {
	c, commitment := content(t)
	if !c.Opens(commitment) {
		t.Fatal("what was committed to does not open it")
	}
	for i := range c.Bytes {
		bent := c
		bent.Bytes = append([]byte{}, c.Bytes...)
		bent.Bytes[i] ^= 1
		if bent.Opens(commitment) {
			t.Errorf("byte %d may change", i)
		}
	}
	for i := range c.Salt {
		bent := c
		bent.Salt = append([]byte{}, c.Salt...)
		bent.Salt[i] ^= 1
		if bent.Opens(commitment) {
			t.Errorf("byte %d of the salt may change", i)
		}
	}
	for name, salt := range map[string][]byte{"none": nil, "short": c.Salt[1:], "long": append([]byte{0}, c.Salt...)} {
		bent := c
		if bent.Salt = salt; bent.Opens(commitment) {
			t.Errorf("a salt that is %s", name)
		}
	}
	if c.Opens(writ.Commitment{}) {
		t.Error("no commitment is opened")
	}
}

func FuzzParseEvidenceContent(f *testing.F) {
	c, _ := content(f)
	b, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := writ.ParseEvidenceContent(b); err == nil && c.Evidence.ID == "" {
			t.Error("a reading without an id")
		}
	})
}
