package canon_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/canon"
)

func TestWhatWasMadeOfATextIsMadeOnceAndWhatFailedIsNotKept(t *testing.T) {
	var r canon.Recall[int]
	made, broken := 0, errors.New("broken")
	length := func(b []byte) (int, error) {
		made++
		if len(b) == 0 {
			return 0, broken
		}
		return len(b), nil
	}
	for range 3 {
		if n, err := r.Get([]byte("abc"), length); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := r.Get(nil, length); !errors.Is(err, broken) {
			t.Errorf("what failed was taken: %v", err)
		}
	}
	if made != 1+3 {
		t.Errorf("made %d times", made)
	}
	// Bounded, by forgetting; and long texts are not kept at all.
	made = 0
	for i := range 20_000 {
		if n, err := r.Get(fmt.Appendf(nil, "%06d", i), length); n != 6 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	long := []byte(strings.Repeat("x", 1000))
	for range 2 {
		if n, err := r.Get(long, length); n != 1000 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if made != 20_000+2 {
		t.Errorf("made %d times", made)
	}
}

func TestAWordDoesNotChangeWithTheTextItCameFrom(t *testing.T) {
	var r canon.Recall[string]
	b := []byte("abc")
	first := canon.Word(&r, b)
	copy(b, "xyz")
	if second := canon.Word(&r, b); first != "abc" || second != "xyz" {
		t.Errorf("%q, %q", first, second)
	}
}
