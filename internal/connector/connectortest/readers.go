package connectortest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

func (f Fixture) readers(t *testing.T) {
	c, _ := f.open(t)
	queries := f.Queries(t)
	wrote, redacted, seen := f.Writes(t), 0, map[writ.OperationName]bool{}
	for _, q := range queries {
		seen[q.Reader] = true
		t.Run(short(q.Reader), func(t *testing.T) {
			r, ok := c.Catalogue().Reader(q.Reader)
			if !ok {
				t.Fatal("not in the catalogue")
			}
			got, err := c.Observe(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			redacted += got.Redacted
			checkReading(t, r, got, q.Limit)
			f.checkSecrets(t, got)

			small := q
			small.Limit = 48
			cut, err := c.Observe(t.Context(), small)
			switch {
			case err != nil:
				t.Error(err)
			case len(cut.Bytes) > small.Limit || len(got.Bytes) > small.Limit && !cut.Truncated:
				t.Errorf("%d bytes with a limit of %d, truncated %v", len(cut.Bytes), small.Limit, cut.Truncated)
			}
			f.checkSecrets(t, cut)

			q.Scope = nil
			_, err = c.Observe(t.Context(), q)
			wantRefusal(t, err, writ.ReasonOutOfScope)
		})
	}
	for _, r := range c.Catalogue().Readers {
		if !seen[r.Name] {
			t.Errorf("no query tries %s", r.Name)
		}
	}
	if len(f.Secrets) > 0 && redacted == 0 {
		t.Error("secrets were planted and none was removed: are they where the queries read?")
	}
	_, err := c.Observe(t.Context(), connector.Query{Reader: writ.OperationName(c.Catalogue().Plane + "/nothing.read"), Limit: 1})
	wantRefusal(t, err, writ.ReasonUnknownReader)
	if n := f.Writes(t); n != wrote {
		t.Errorf("reading sent %d requests that were no reads", n-wrote)
	}
}

// checkReading holds a reading to its declaration.
func checkReading(t *testing.T, r connector.Reader, got connector.Reading, limit int) {
	t.Helper()
	switch {
	case got.Source == "" || got.At.IsZero():
		t.Errorf("source %q, time %s", got.Source, got.At)
	case len(got.Bytes) == 0 || len(got.Bytes) > limit:
		t.Errorf("%d bytes with a limit of %d", len(got.Bytes), limit)
	case got.Writable != r.Writable:
		t.Errorf("writable %v, declared %v", got.Writable, r.Writable)
	case len(got.Facts) != len(r.Facts):
		t.Errorf("%d facts, declared %d: %v", len(got.Facts), len(r.Facts), got.Facts)
	}
	for _, want := range r.Facts {
		v, ok := got.Facts[want.Name]
		switch want.Type {
		case connector.TypeInteger:
			_, fits := v.Int64()
			ok = ok && fits
		case connector.TypeBool:
			_, fits := v.IsTrue()
			ok = ok && fits
		default:
			_, fits := v.Str()
			ok = ok && fits
		}
		if !ok {
			t.Errorf("fact %s is %v, declared as %s", want.Name, v, want.Type)
		}
	}
}

// checkSecrets finds planted secrets in what was read.
func (f Fixture) checkSecrets(t *testing.T, got connector.Reading) {
	t.Helper()
	for _, s := range f.Secrets {
		if bytes.Contains(got.Bytes, []byte(s)) || strings.Contains(got.Source, s) {
			t.Errorf("I20: the reading holds a planted secret")
		}
	}
}
