package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/seal"
	"github.com/writ-dev/writ/internal/quorum"
)

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func owners(threshold int, n ...byte) quorum.Owners {
	o := quorum.Owners{Threshold: threshold}
	for _, x := range n {
		o.Keys = append(o.Keys, key(x).Public().(ed25519.PublicKey))
	}
	return o
}

func set() map[string][]byte {
	return map[string][]byte{"schema.cedarschema": []byte("a"), "limits/x.cedar": []byte("b"), "tests/x.yaml": []byte("c")}
}

func signed(t *testing.T, version int64, by ...byte) []byte {
	t.Helper()
	out, err := seal.Sign(set(), version, key(by[0]))
	for _, n := range by[1:] {
		if err == nil {
			out, err = seal.AddSignature(out, set(), key(n))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestASetCountsOnlyWithEnoughOfItsOwnersSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		by     []byte
		owners quorum.Owners
		ok     bool
	}{
		"one of one":               {[]byte{1}, owners(1, 1), true},
		"two of three":             {[]byte{1, 3}, owners(2, 1, 2, 3), true},
		"one, and two are needed":  {[]byte{1}, owners(2, 1, 2, 3), false},
		"strangers do not count":   {[]byte{7, 8, 1}, owners(2, 1, 2, 3), false},
		"nobody is needed":         {[]byte{1}, owners(0, 1), false},
		"more than there are":      {[]byte{1}, owners(2, 1), false},
		"one owner pinned twice":   {[]byte{1}, owners(2, 1, 1), false},
		"no owner pinned":          {[]byte{1}, owners(1), false},
		"a stranger beside enough": {[]byte{7, 1}, owners(1, 1), true},
	} {
		m, who, err := seal.Verify(signed(t, 4, c.by...), set(), c.owners)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, writ.ErrInvalid) || c.ok && (m.Version != 4 || len(who) < c.owners.Threshold) {
			t.Errorf("%s: %+v, %v, %v", name, m, who, err)
		}
	}
}

func TestOneOwnerSignsOnce(t *testing.T) {
	if _, err := seal.AddSignature(signed(t, 1, 1), set(), key(1)); !errors.Is(err, writ.ErrConflict) {
		t.Error(err)
	}
	// Repeating the signature by hand does not make it two.
	var e map[string]any
	file := signed(t, 1, 1)
	if err := json.Unmarshal(file, &e); err != nil {
		t.Fatal(err)
	}
	list := e["signatures"].([]any)
	e["signatures"] = append(list, list[0])
	twice, _ := json.Marshal(e)
	if _, _, err := seal.Verify(twice, set(), owners(2, 1, 2)); err == nil {
		t.Error("one signature counted twice")
	}
}

func TestEveryByteOfEveryFileIsSigned(t *testing.T) {
	file := signed(t, 1, 1)
	for name, change := range map[string]func(map[string][]byte){
		"another byte": func(s map[string][]byte) { s["limits/x.cedar"] = []byte("B") },
		"a file less":  func(s map[string][]byte) { delete(s, "tests/x.yaml") },
		"a file more":  func(s map[string][]byte) { s["grants/x.cedar"] = []byte("d") },
		"another name": func(s map[string][]byte) { s["limits/y.cedar"] = s["limits/x.cedar"]; delete(s, "limits/x.cedar") },
		"files swapped": func(s map[string][]byte) {
			s["limits/x.cedar"], s["tests/x.yaml"] = s["tests/x.yaml"], s["limits/x.cedar"]
		},
	} {
		s := maps.Clone(set())
		change(s)
		if _, _, err := seal.Verify(file, s, owners(1, 1)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := seal.AddSignature(file, s, key(2)); err == nil {
			t.Errorf("%s was signed by a second owner", name)
		}
	}
}

func TestWhatIsNoSignatureFileIsRefused(t *testing.T) {
	good := string(signed(t, 1, 1))
	for name, file := range map[string]string{
		"nothing": "", "no JSON": "x", "another type": strings.Replace(good, "writ.policy.v1", "writ.trust.v1", 1),
		"no signatures": good[:strings.Index(good, `"signatures":`)] + `"signatures":[]}`, "too large": good + strings.Repeat(" ", seal.MaxFile),
		"an unknown member": strings.Replace(good, `{"payload"`, `{"more":1,"payload"`, 1),
	} {
		if file == good {
			t.Fatal(name)
		}
		if _, _, err := seal.Verify([]byte(file), set(), owners(1, 1)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := seal.Sign(set(), 0, key(1)); !errors.Is(err, writ.ErrInvalid) {
		t.Error("version 0 was signed")
	}
}

func FuzzVerify(f *testing.F) {
	file, err := seal.Sign(set(), 1, key(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Fuzz(func(t *testing.T, file []byte) {
		m, who, err := seal.Verify(file, set(), owners(1, 1))
		if err == nil && (len(who) != 1 || m.Version < 1) || err != nil && !errors.Is(err, writ.ErrInvalid) {
			t.Fatalf("%+v, %v, %v", m, who, err)
		}
	})
}
