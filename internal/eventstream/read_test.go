package eventstream_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/writ-dev/writ/internal/eventstream"
)

// all reads a stream to its end.
func all(r *eventstream.Reader) (events []string, err error) {
	for {
		data, err := r.Next()
		if err != nil {
			return events, err
		}
		events = append(events, string(data))
	}
}

func TestTheDataOfEachEventIsRead(t *testing.T) {
	for stream, want := range map[string][]string{
		"":                                     nil,
		"data: a\n\ndata:b\n\n":                {"a", "b"},
		"id: 7\r\nevent: x\r\ndata: a\r\n\r\n": {"a"},
		"data: a\ndata:  b\n\n":                {"a\n b"},
		": quiet\n\n\n\ndata: a\n\n":           {"a"},
		"data\n\ndata:\n\ndata: a\n\n":         {"a"},
		"data: whole\n\ndata: cut":             {"whole"},
		"data: whole\n\ndata: cut\n":           {"whole"},
	} {
		for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
			if got, err := all(eventstream.NewReader(r, 100)); !errors.Is(err, io.EOF) || !slices.Equal(got, want) {
				t.Errorf("%q: %q, %v", stream, got, err)
			}
		}
	}
}

func TestAnEventOfTooManyBytesAndABrokenStreamAreErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"one long line":   {strings.NewReader("data: " + strings.Repeat("x", 100)), eventstream.ErrTooLong},
		"many short ones": {strings.NewReader(strings.Repeat("data: x\n", 100)), eventstream.ErrTooLong},
		"a comment":       {strings.NewReader(": " + strings.Repeat("x", 100)), eventstream.ErrTooLong},
		"it breaks off":   {io.MultiReader(strings.NewReader("data: x\n"), iotest.ErrReader(broken)), broken},
	} {
		if got, err := all(eventstream.NewReader(c.r, 50)); !errors.Is(err, c.want) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"data: x\n\n", ": c\r\ndata:a\r\ndata: b\r\n\r\n", "data\n\n", "data:\n\ndata: y\n\n", "\n\n\n", "data: \x00\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, total := eventstream.NewReader(bytes.NewReader(b), 1000), 0
		for {
			data, err := r.Next()
			if err != nil {
				return
			}
			if total += len(data); len(data) == 0 || len(data) > 1000 || total > len(b) {
				t.Fatalf("%d bytes of data, %d with those before, in %d bytes of events", len(data), total, len(b))
			}
		}
	})
}
