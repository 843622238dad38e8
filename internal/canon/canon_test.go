package canon_test

import (
	"errors"
	"testing"

	"github.com/writ-dev/writ/internal/canon"
)

type form struct {
	Name  string         `json:"name"`
	Count int64          `json:"count"`
	Extra map[string]int `json:"extra,omitempty"`
}

func TestParseTakesOnlyTheCanonicalForm(t *testing.T) {
	var f form
	if err := canon.Parse([]byte(`{"count":3,"name":"api"}`), &f); err != nil || f.Name != "api" || f.Count != 3 {
		t.Fatalf("canonical bytes: %v %+v", err, f)
	}
	for name, in := range map[string]string{
		"white space":        `{"count": 3,"name":"api"}`,
		"member order":       `{"name":"api","count":3}`,
		"duplicate member":   `{"count":3,"count":3,"name":"api"}`,
		"case variant":       `{"Count":3,"name":"api"}`,
		"unknown member":     `{"count":3,"more":1,"name":"api"}`,
		"missing member":     `{"name":"api"}`,
		"null":               `{"count":3,"name":null}`,
		"fraction":           `{"count":3.5,"name":"api"}`,
		"exponent":           `{"count":3e0,"name":"api"}`,
		"minus zero":         `{"count":-0,"name":"api"}`,
		"beyond 2^53":        `{"count":9007199254740993,"name":"api"}`,
		"invalid UTF-8":      "{\"count\":3,\"name\":\"\xff\"}",
		"lone surrogate":     `{"count":3,"name":"\ud800"}`,
		"escaped name":       `{"count":3,"n\u0061me":"api"}`,
		"trailing value":     `{"count":3,"name":"api"}{}`,
		"empty optional map": `{"count":3,"extra":{},"name":"api"}`,
		"not an object":      `[]`,
		"nothing":            ``,
	} {
		t.Run(name, func(t *testing.T) {
			var f form
			if err := canon.Parse([]byte(in), &f); !errors.Is(err, canon.ErrForm) {
				t.Errorf("%s: want ErrForm, got %v", in, err)
			}
		})
	}
}

func TestParseLooseTakesSpaceAndOrderButNothingElse(t *testing.T) {
	var f form
	if err := canon.ParseLoose([]byte("{ \"name\":\"api\",\n\"count\":3 }"), &f); err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{`{"name":"api","count":3,"x":1}`, `{"Name":"api","count":3}`, `{"name":"api","count":3,"count":3}`} {
		if err := canon.ParseLoose([]byte(in), &f); !errors.Is(err, canon.ErrForm) {
			t.Errorf("%s: want ErrForm, got %v", in, err)
		}
	}
}

func TestMarshalRefusesWhatTwoReadersWouldDisagreeAbout(t *testing.T) {
	for _, v := range []any{map[string]any{"n": 1.5}, map[string]any{"n": int64(1) << 60}, []any{nil}} {
		if b, err := canon.Marshal(v); err == nil {
			t.Errorf("%v: want a refusal, got %s", v, b)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"count":3,"name":"api"}`))
	f.Add([]byte(`{"count":9007199254740993,"name":"\ud800"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v form
		if canon.Parse(b, &v) != nil {
			return
		}
		again, err := canon.Marshal(v)
		if err != nil || string(again) != string(b) {
			t.Fatalf("accepted %q, canonical %q, %v", b, again, err)
		}
	})
}
