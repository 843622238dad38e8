package study_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy/policytest"
	"github.com/writ-dev/writ/internal/policy/study"
)

func file(t testing.TB, b ledger.Bundle) []byte {
	t.Helper()
	raw, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAReplayReadsOfAFileWhatItReadsOfABundle(t *testing.T) {
	b := recorded(t, defaults(t), policytest.Asks(50))
	told := ""
	got, err := study.FromFile(file(t, b), func(done, of int) { told = fmt.Sprintf("%d of %d", done, of) })
	if err != nil || !reflect.DeepEqual(got, records(t, b)) || len(got.All) != 50 || told != "100 of 100" {
		t.Errorf("%d records, told %q, %v", len(got.All), told, err)
	}
	// As people and programs may write it.
	var indented bytes.Buffer
	if err := json.Indent(&indented, file(t, b), "", "\t"); err != nil {
		t.Fatal(err)
	}
	if again, err := study.FromFile(indented.Bytes(), nil); err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("indented: %d records, %v", len(again.All), err)
	}
	// What was recorded is what the strict parser of the ledger reads.
	for i, e := range b.Entries {
		x, err := ledger.Open(e.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := x.Body.(*writ.DecisionBody)
		if r := got.All[i/2]; ok && (r.Decision != d.Decision || r.Plan != d.Plan || r.Phase != d.Phase || r.Answer.Verdict != d.Verdict || r.Answer.Reason != d.Reason ||
			!r.Answer.Policy.Equal(d.Policy) || !reflect.DeepEqual(r.Answer.Policies, d.Policies) || !reflect.DeepEqual(r.Answer.Requirements, d.Requirements) || !r.At.Equal(x.Record.Time)) {
			t.Errorf("entry %d: %+v, want %+v", i, r, d)
		}
	}
}

// What a replay does not need it still knows: a member that is in no form of ours is refused.
func TestAReplayKnowsEachMemberOfAPlanAndOfADecision(t *testing.T) {
	for name, c := range map[string]struct {
		body any
		open func([]byte) error
	}{"plan": {writ.PlanBody{}, study.OpenPlan}, "decision": {writ.DecisionBody{}, study.OpenDecision}} {
		of := reflect.TypeOf(c.body)
		for i := range of.NumField() {
			member, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if err := c.open([]byte(`{"` + member + `":0}`)); err != nil && strings.Contains(err.Error(), "unknown member") {
				t.Errorf("%s: %q: %v", name, member, err)
			}
		}
		if err := c.open([]byte(`{"approved_by":0}`)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: a member of another form: %v", name, err)
		}
	}
}

func TestI05AnEntryThatIsNotOfTheFormEndsTheReplay(t *testing.T) {
	author, err := ledger.NewAuthor(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	good := recorded(t, defaults(t), policytest.Asks(1))
	env, err := ledger.OpenEnvelope(good.Entries[1].Leaf, ledger.RecordType)
	if err != nil {
		t.Fatal(err)
	}
	payload := string(env.Payload)
	replaced := func(old, with string) string {
		if !strings.Contains(payload, old) {
			t.Fatalf("no %s in %s", old, payload)
		}
		return strings.Replace(payload, old, with, 1)
	}
	for name, text := range map[string]string{
		"a member of the body twice":      replaced(`"verdict":`, `"verdict":"allow","verdict":`),
		"an unknown member of the body":   replaced(`"verdict":`, `"verdicts":[],"verdict":`),
		"another case":                    replaced(`"verdict":`, `"Verdict":`),
		"white space":                     replaced(`"verdict":`, `"verdict": `),
		"null":                            replaced(`"phase":"plan"`, `"phase":null`),
		"a number for text":               replaced(`"phase":"plan"`, `"phase":1`),
		"an id that is none":              replaced(`"decision":"dec_`, `"decision":"dac_`),
		"an unknown member of the record": replaced(`"log":`, `"lag":1,"log":`),
		"another version":                 replaced(`"v":1`, `"v":2`),
		"an unknown kind":                 replaced(`"kind":"decision"`, `"kind":"verdict"`),
		"no time":                         replaced(`"time":"2026-03-01T12:00:00Z",`, ``),
		"not to its end":                  payload[:len(payload)-1],
	} {
		leaf, err := ledger.SealEnvelope(ledger.RecordType, []byte(text), author)
		if err != nil {
			t.Fatal(err)
		}
		b := good
		b.Entries = []ledger.BundleEntry{good.Entries[0], {Index: 1, Leaf: leaf}}
		for how, read := range map[string]func() (study.Records, error){
			"bundle": func() (study.Records, error) { return study.FromBundle(b) }, "file": func() (study.Records, error) { return study.FromFile(file(t, b), nil) },
		} {
			if r, err := read(); !errors.Is(err, writ.ErrInvalid) || len(r.All) != 0 {
				t.Errorf("%s, %s: %d records, %v", name, how, len(r.All), err)
			}
		}
	}
	raw := string(file(t, good))
	for name, text := range map[string]string{
		"no base64":         strings.Replace(raw, `"leaf":"`, `"leaf":"*`, 1),
		"no index":          strings.Replace(raw, `"index":0,`, ``, 1),
		"a leaf twice":      strings.Replace(raw, `"leaf":`, `"leaf":"","leaf":`, 1),
		"another version":   strings.Replace(raw, `"v":1`, `"v":2`, 1),
		"an unknown member": strings.Replace(raw, `"v":1`, `"v":1,"w":1`, 1),
		"cut off":           raw[:len(raw)/2],
		"no bundle":         "[]",
		"nothing":           "",
	} {
		if text == raw {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := study.FromFile([]byte(text), nil); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAFileIsReadOrRefused(f *testing.F) {
	set := defaults(f)
	f.Add(file(f, recorded(f, set, policytest.Asks(2))))
	f.Add([]byte(`{"v":1,"entries":[{"index":0,"leaf":"e30="}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, set, raw) })
}

// BenchmarkReplay is writ policy simulate from a bundle's bytes to the answer.
func BenchmarkReplay(b *testing.B) {
	set := defaults(b)
	raw := file(b, recorded(b, set, policytest.Asks(5000)))
	b.SetBytes(int64(len(raw)))
	n, before := 0, policytest.Processor(b)
	for b.Loop() {
		sim, err := study.Replay(set, raw, runtime.GOMAXPROCS(0), nil)
		if err != nil {
			b.Fatal(err)
		}
		n += sim.Records
	}
	perSecond(b, before, n)
}
