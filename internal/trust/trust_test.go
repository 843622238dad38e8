package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/trust"
)

var owners = []ed25519.PublicKey{edPublic("owner 1"), edPublic("owner 2"), edPublic("owner 3")}

func wantReason(t *testing.T, err error, want writ.Reason) {
	t.Helper()
	if got := writ.ReasonOf(err); got != want || err == nil {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// signedFile returns a file of tr, signed by the named owners.
func signedFile(t testing.TB, tr trust.Trust, names ...string) []byte {
	t.Helper()
	file, err := trust.Sign(tr, edKey(names[0]))
	must(t, err)
	for _, n := range names[1:] {
		file, err = trust.AddSignature(file, edKey(n))
		must(t, err)
	}
	return file
}

func load(file []byte) (trust.Trust, error) { return trust.Load(file, owners, 2, 7, runner, madeAt) }

func TestI12ATrustFileSignedByEnoughOwnersIsLoaded(t *testing.T) {
	tr, err := load(signedFile(t, vectorTrust(t), "owner 1", "owner 3"))
	must(t, err)
	if tr.Version != 7 || tr.Runner != runner {
		t.Errorf("%+v", tr)
	}
	a, err := tr.Digest()
	must(t, err)
	b, err := vectorTrust(t).Digest()
	if err != nil || !a.Equal(b) {
		t.Errorf("%s and %s, %v", a, b, err)
	}
}

func TestI12ATrustFileWithoutGenuineConsentStopsAllWork(t *testing.T) {
	tr := vectorTrust(t)
	one, two := signedFile(t, tr, "owner 1"), signedFile(t, tr, "owner 1", "owner 2")
	edited := tr
	edited.Ceiling.MaxObjects = 1000
	payload, err := edited.Bytes()
	must(t, err)
	elsewhere := tr
	elsewhere.Runner = "spiffe://example.com/runner/other"
	older := tr
	older.Version = 6
	over := tr
	over.Expires = madeAt
	type load struct {
		file      []byte
		owners    []ed25519.PublicKey
		threshold int
		highest   int64
		now       time.Time
	}
	for name, c := range map[string]struct {
		change func(*load)
		want   writ.Reason
	}{
		"absent":               {func(l *load) { l.file = nil }, writ.ReasonTrustMissing},
		"empty":                {func(l *load) { l.file = []byte{} }, writ.ReasonTrustMissing},
		"not an envelope":      {func(l *load) { l.file = payload }, writ.ReasonTrustInvalid},
		"one signature of two": {func(l *load) { l.file = one }, writ.ReasonTrustInvalid},
		"one owner twice": {func(l *load) {
			l.file = editEnvelope(t, one, func(e *envelope) { e.Signatures = append(e.Signatures, e.Signatures[0]) })
		}, writ.ReasonTrustInvalid},
		"one owner under two key ids": {func(l *load) {
			l.file = editEnvelope(t, two, func(e *envelope) { e.Signatures[1].Sig = e.Signatures[0].Sig })
		}, writ.ReasonTrustInvalid},
		"a stranger's signature": {func(l *load) { l.file = signedFile(t, tr, "owner 1", "a stranger") }, writ.ReasonTrustInvalid},
		"no signatures":          {func(l *load) { l.file = editEnvelope(t, two, func(e *envelope) { e.Signatures = []signature{} }) }, writ.ReasonTrustInvalid},
		"edited after signing":   {func(l *load) { l.file = editEnvelope(t, two, func(e *envelope) { e.Payload = payload }) }, writ.ReasonTrustInvalid},
		"another payload type": {func(l *load) {
			l.file = editEnvelope(t, two, func(e *envelope) { e.PayloadType = "application/vnd.in-toto+json" })
		}, writ.ReasonTrustInvalid},
		"an unknown member":                   {func(l *load) { l.file = bytes.Replace(two, []byte("{"), []byte(`{"a":1,`), 1) }, writ.ReasonTrustInvalid},
		"too large":                           {func(l *load) { l.file = append(bytes.Clone(two), bytes.Repeat([]byte(" "), trust.MaxFile)...) }, writ.ReasonTrustInvalid},
		"for another runner":                  {func(l *load) { l.file = signedFile(t, elsewhere, "owner 1", "owner 2") }, writ.ReasonTrustInvalid},
		"expired":                             {func(l *load) { l.file = signedFile(t, over, "owner 1", "owner 2") }, writ.ReasonTrustExpired},
		"expired since":                       {func(l *load) { l.now = tr.Expires }, writ.ReasonTrustExpired},
		"without a clock":                     {func(l *load) { l.now = time.Time{} }, writ.ReasonTrustExpired},
		"rolled back":                         {func(l *load) { l.file = signedFile(t, older, "owner 1", "owner 2") }, writ.ReasonTrustRollback},
		"a newer one was seen":                {func(l *load) { l.highest = 8 }, writ.ReasonTrustRollback},
		"threshold 0":                         {func(l *load) { l.threshold = 0 }, writ.ReasonTrustInvalid},
		"a negative threshold":                {func(l *load) { l.threshold = -1 }, writ.ReasonTrustInvalid},
		"threshold above the owners":          {func(l *load) { l.threshold = 4 }, writ.ReasonTrustInvalid},
		"no owners":                           {func(l *load) { l.owners = nil }, writ.ReasonTrustInvalid},
		"no owners and threshold 0":           {func(l *load) { l.owners, l.threshold = nil, 0 }, writ.ReasonTrustInvalid},
		"one owner pinned twice":              {func(l *load) { l.owners = []ed25519.PublicKey{owners[0], owners[0]} }, writ.ReasonTrustInvalid},
		"one owner pinned twice, threshold 1": {func(l *load) { l.owners, l.threshold = []ed25519.PublicKey{owners[0], owners[0]}, 1 }, writ.ReasonTrustInvalid},
		"another payload type, signed": {func(l *load) {
			l.threshold = 1
			l.file = editEnvelope(t, one, func(e *envelope) {
				e.PayloadType = "application/vnd.writ.feed.v1+json"
				e.Signatures[0].Sig = ed25519.Sign(edKey("owner 1"), dsse.PAE(e.PayloadType, e.Payload))
			})
		}, writ.ReasonTrustInvalid},
		"an owner's key of no length": {func(l *load) { l.owners = []ed25519.PublicKey{owners[0], owners[1], {}} }, writ.ReasonTrustInvalid},
		"other owners":                {func(l *load) { l.owners = []ed25519.PublicKey{edPublic("a"), edPublic("b")} }, writ.ReasonTrustInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			l := load{file: two, owners: owners, threshold: 2, highest: 7, now: madeAt}
			c.change(&l)
			got, err := trust.Load(l.file, l.owners, l.threshold, l.highest, runner, l.now)
			wantReason(t, err, c.want)
			if got.Version != 0 {
				t.Error("contents came with the refusal")
			}
		})
	}
	_, err = trust.Load(two, owners, 2, 7, "", madeAt)
	wantReason(t, err, writ.ReasonTrustInvalid)
}

type envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

func editEnvelope(t testing.TB, file []byte, edit func(*envelope)) []byte {
	t.Helper()
	var e envelope
	must(t, json.Unmarshal(file, &e))
	edit(&e)
	b, err := json.Marshal(e)
	must(t, err)
	return b
}

func TestADraftMayBeWrittenByHandAndIsCheckedTheSame(t *testing.T) {
	b, err := vectorTrust(t).Bytes()
	must(t, err)
	var pretty bytes.Buffer
	must(t, json.Indent(&pretty, b, "", "  "))
	tr, err := trust.ParseDraft(pretty.Bytes())
	must(t, err)
	if again, err := tr.Bytes(); err != nil || !bytes.Equal(again, b) {
		t.Errorf("it does not survive: %v", err)
	}
	if _, err := trust.Parse(pretty.Bytes()); !errors.Is(err, canon.ErrForm) {
		t.Errorf("white space in a signed file: %v", err)
	}
	if _, err := trust.ParseDraft(bytes.Replace(b, []byte(`"max_tier"`), []byte(`"maximum"`), 1)); !errors.Is(err, canon.ErrForm) {
		t.Errorf("an unknown member: %v", err)
	}
}

func TestTextOfATrustFileCannotMoveTheCursor(t *testing.T) {
	tr := vectorTrust(t)
	lines := strings.Count(trust.Text(tr), "\n")
	const evil = "x\x1b[2A\n\u202e"
	tr.Issuer, tr.Presented, tr.GrantKeys[0].Kid, tr.Log.VKey, tr.Control[0].KeyID = evil, evil, evil, evil, evil
	tr.Approvers[0].Sub, tr.Approvers[0].Groups[0] = evil, evil
	tr.Services[0] = trust.Service{Name: evil, Slots: map[string]string{evil: evil}}
	tr.AgentOwners[0].Sub, tr.Playbooks[0].Name = evil, evil
	got := trust.Text(tr)
	if strings.ContainsAny(got, "\x1b\u202e") || strings.Count(got, "\n") != lines-2 { // an unchecked file shows no digest
		t.Errorf("%d lines, had %d:\n%q", strings.Count(got, "\n"), lines, got)
	}
}

func FuzzLoad(f *testing.F) {
	good := signedFile(f, vectorTrust(f), "owner 1", "owner 2")
	f.Add(good)
	f.Add([]byte(`{"payload":"","payloadType":"","signatures":[]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		tr, err := load(file)
		if err != nil {
			if writ.ReasonOf(err) == "" {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		want, err := vectorTrust(t).Digest()
		must(t, err)
		if got, err := tr.Digest(); err != nil || !got.Equal(want) {
			t.Fatalf("loaded %q", file)
		}
	})
}

func FuzzParse(f *testing.F) {
	b, err := vectorTrust(f).Bytes()
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := trust.Parse(b)
		if err != nil {
			return
		}
		if again, err := tr.Bytes(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %q, canonical %q, %v", b, again, err)
		}
		if tr.AllowsPlan(writ.Plan{}, writ.T1, writ.ModeHandle, approval.Tally{}, 0) == nil {
			t.Fatal("it allows an empty plan")
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	file := signedFile(b, vectorTrust(b), "owner 1", "owner 2")
	for b.Loop() {
		if _, err := load(file); err != nil {
			b.Fatal(err)
		}
	}
}
