package httpapi_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/storefront"
)

// says puts other text into every reading of an object.
func says(t *testing.T, old, with string) func(*http.Request, *http.Response) {
	return func(r *http.Request, res *http.Response) {
		if r.Method != http.MethodGet {
			return
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		if !bytes.Contains(b, []byte(old)) {
			t.Errorf("the answer has no %q: %s", old, b)
		}
		replaced(res, string(bytes.Replace(b, []byte(old), []byte(with), 1)))
	}
}

// An object that was made anew and happens to be as the pre-image was not restored by anybody.
func TestI16AnotherObjectThatLooksRestoredIsNot(t *testing.T) {
	s, w, x := wired(t)
	p, after := applied(t, x, setRelease("checkout", "v40"))
	if err := s.Deploy("checkout", "v41", "ops"); err != nil { // the pre-image's release
		t.Fatal(err)
	}
	l := lease(t, x, true, p)
	w.answers(anotherUID(t))
	if u := l.Undo(t.Context(), p, after); u.Effect != writ.NotApplied || u.Restored || u.Reason != writ.ReasonUndoConflict {
		t.Errorf("%+v", u)
	}
	w.answers(nil)
	if u := l.Undo(t.Context(), p, after); !u.Restored {
		t.Errorf("the object itself: %+v", u)
	}
}

// An undo that was sent and cannot be read back is not known, whatever the target answered.
func TestI15AnUndoThatCannotBeReadBackIsUnknown(t *testing.T) {
	_, w, x := wired(t)
	p, after := applied(t, x, setRelease("checkout", "v40"))
	l := lease(t, x, true, p)
	wrote := false
	w.answers(func(r *http.Request, res *http.Response) {
		if wrote = wrote || isWrite(r); wrote && r.Method == http.MethodGet {
			res.StatusCode = http.StatusInternalServerError
		}
	})
	if u := l.Undo(t.Context(), p, after); u.Effect != writ.Unknown || u.Restored || u.Reason != writ.ReasonUncertainOutcome || len(u.Left) != 1 {
		t.Errorf("%+v", u)
	}
}

// A call that left its mark but not its values was not simply carried out.
func TestI15ACallThatLeftOtherValuesStaysUnknown(t *testing.T) {
	_, w, x := wired(t)
	p, l := leased(t, x)
	w.writesFare(losesAnswer)
	if out := l.Do(t.Context(), p); out.Effect != writ.Unknown {
		t.Fatalf("%+v", out)
	}
	w.answers(says(t, `"release":"v40"`, `"release":"v39"`))
	if out := l.Settle(t.Context(), p); out.Effect != writ.Unknown || out.Reason != writ.ReasonUncertainOutcome {
		t.Errorf("%+v", out)
	}
	w.answers(nil)
	if out := l.Settle(t.Context(), p); out.Effect != writ.Applied {
		t.Errorf("the values that were asked for: %+v", out)
	}
}

// A lease is minted for a tier that some client is for, and made revocable again from a handle that can revoke it, or
// from none; anything else is an error and not a lease that nobody could end.
func TestI06NoLeaseThatCouldNotBeEnded(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	r := request(false, plan(t, x, setRelease("checkout", "v40")))
	keep := func([]byte) error { return nil }
	for name, change := range map[string]func(*connector.LeaseRequest){
		"of a tier that only reads":   func(r *connector.LeaseRequest) { r.Tier = writ.T0 },
		"of a tier without a client":  func(r *connector.LeaseRequest) { r.Tier = writ.T4 },
		"without a name":              func(r *connector.LeaseRequest) { r.Name = "" },
		"for nothing":                 func(r *connector.LeaseRequest) { r.Steps = nil },
		"that ends before it is used": func(r *connector.LeaseRequest) { r.TTL = 0 },
	} {
		bad := r
		change(&bad)
		_, err := x.Lease(t.Context(), bad, keep)
		wantReason(t, name, err, writ.ReasonLeaseFailed)
	}
	for name, handle := range map[string]string{
		"no handle of ours":        `{"client":"`,
		"another version":          `{"client":"` + storefront.ClientT2 + `","v":2}`,
		"a client that is no more": `{"client":"retired","token":"x","v":1}`,
	} {
		if _, err := x.Reopen(r, []byte(handle)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := x.Reopen(r, nil); err != nil {
		t.Errorf("a lease whose handle was never kept: %v", err)
	}
	if n := s.LiveTokens(storefront.ClientT2); n != 0 {
		t.Errorf("%d tokens were minted", n)
	}
}

// Without an identity of its own, an object could be exchanged for another between plan and call.
func TestI14AnObjectWithoutAnIdentityIsNotPlannedOn(t *testing.T) {
	_, w, x := wired(t)
	for name, with := range map[string]string{"none": `"id":"`, "empty": `"uid":"","id":"`, "no text": `"uid":{},"id":"`} {
		w.answers(says(t, `"uid":"`, with))
		_, err := x.Plan(t.Context(), setRelease("checkout", "v40"))
		wantReason(t, name, err, writ.ReasonNoObject)
	}
}
