package control_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/enrol"
	"github.com/writ-dev/writ/internal/pin"
)

const arrival = writ.RunnerID("spiffe://writ.test/runner/new")

// enrolling is a control plane whose configuration names a runner without a key.
func enrolling(t *testing.T) *world {
	t.Helper()
	return quietWorld(t, func(c *control.Config) { c.Runners[arrival] = nil })
}

func (w *world) invite(name string) enrol.Code {
	w.t.Helper()
	inv, err := w.ctl.InviteRunner(w.ctx, human("ann"), name)
	must(w.t, err)
	code, err := enrol.ParseCode(inv.Code)
	must(w.t, err)
	if code.Runner != inv.Runner || !inv.Expires.Equal(w.now().Add(15*time.Minute)) {
		w.t.Errorf("%+v for %+v", inv, code)
	}
	return code
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return key
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// asks makes the request of a runner that holds key.
func (w *world) asks(key ed25519.PrivateKey, runner writ.RunnerID, server, secret string) assignment.Enrol {
	w.t.Helper()
	proof, err := enrol.Prove(key, runner, server, w.now())
	must(w.t, err)
	return assignment.Enrol{Runner: runner, Code: secret, Public: publicOf(key), At: w.now(), Proof: proof}
}

func TestACodeEnrolsOneRunnerOnceWithinItsTime(t *testing.T) {
	w := enrolling(t)
	key := newKey(t)
	code := w.invite("new")
	if !w.ctl.Inviting(w.ctx) {
		t.Error("no invitation is open")
	}
	told, err := w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, code.Secret))
	must(t, err)
	if told.Runner != arrival || told.Control != code.Server || told.Origin != origin || len(told.GrantKeys) != 1 {
		t.Errorf("%+v", told)
	}
	if id, err := w.ctl.RunnerOf(w.ctx, publicOf(key)); err != nil || id != arrival {
		t.Errorf("the key is %s's, %v", id, err)
	}
	if w.ctl.Inviting(w.ctx) {
		t.Error("the invitation is still open")
	}
	second := newKey(t)
	_, err = w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(second)}, w.asks(second, arrival, code.Server, code.Secret))
	wantReason(t, err, writ.ReasonEnrolment)
	if n := w.count(writ.EntryRunner); n != 2 {
		t.Errorf("%d entries, want an invitation and an enrolment", n)
	}
	for _, leaf := range w.leaves() {
		if strings.Contains(string(leaf), code.Secret) {
			t.Error("the code stands in the ledger")
		}
	}
}

func TestWhatFitsNoOpenInvitationIsNotEnrolled(t *testing.T) {
	stolen := newKey(t)
	for name, c := range map[string]func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol){
		"another code": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			other, err := enrol.New(code.Server, arrival, rand.Reader)
			must(w.t, err)
			return control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, other.Secret)
		},
		"another runner's name": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			return control.Caller{Key: publicOf(key)}, w.asks(key, runnerID, code.Server, code.Secret)
		},
		"a name that nobody has": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			return control.Caller{Key: publicOf(key)}, w.asks(key, "spiffe://writ.test/runner/nobody", code.Server, code.Secret)
		},
		"after its time": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			w.pass(15 * time.Minute)
			return control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, code.Secret)
		},
		"after a newer code": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			w.invite("new")
			return control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, code.Secret)
		},
		"a key that it does not hold": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			in := w.asks(key, arrival, code.Server, code.Secret)
			in.Public = publicOf(stolen)
			return control.Caller{Key: publicOf(key)}, in
		},
		"another key than its connection's": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			return control.Caller{Key: publicOf(stolen)}, w.asks(key, arrival, code.Server, code.Secret)
		},
		"a proof for another server": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			return control.Caller{Key: publicOf(key)}, w.asks(key, arrival, pin.Fingerprint(publicOf(stolen)), code.Secret)
		},
		"no code": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			return control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, "")
		},
		"another runner's SVID": func(w *world, key ed25519.PrivateKey, code enrol.Code) (control.Caller, assignment.Enrol) {
			return control.Caller{SVID: runnerID}, w.asks(key, arrival, code.Server, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := enrolling(t)
			key := newKey(t)
			by, in := c(w, key, w.invite("new"))
			_, err := w.ctl.Enrol(w.ctx, by, in)
			wantReason(t, err, writ.ReasonEnrolment)
			if _, err := w.ctl.RunnerOf(w.ctx, publicOf(key)); !errors.Is(err, writ.ErrUnknownUser) {
				t.Error("the key is a runner's")
			}
		})
	}
}

func TestFailedEnrolmentsAreBoundedInTime(t *testing.T) {
	w := enrolling(t)
	key := newKey(t)
	code := w.invite("new")
	other, err := enrol.New(code.Server, arrival, rand.Reader)
	must(t, err)
	for range 5 {
		_, err := w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, other.Secret))
		wantReason(t, err, writ.ReasonEnrolment)
	}
	good := w.asks(key, arrival, code.Server, code.Secret)
	_, err = w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(key)}, good)
	wantKind(t, err, writ.ErrBusy)
	w.pass(time.Minute)
	_, err = w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, code.Secret))
	must(t, err)
}

func TestOnlyPeopleOnTheRosterInviteAndRemove(t *testing.T) {
	w := enrolling(t)
	for who, by := range map[string]writ.Principal{"an agent": repair, "a stranger": human("nobody"), "a service": source} {
		if _, err := w.ctl.InviteRunner(w.ctx, by, "new"); writ.ReasonOf(err) == "" {
			t.Errorf("%s invites: %v", who, err)
		}
		if _, err := w.ctl.RemoveRunner(w.ctx, by, "lab", "", "x"); writ.ReasonOf(err) == "" {
			t.Errorf("%s removes: %v", who, err)
		}
	}
	_, err := w.ctl.InviteRunner(w.ctx, human("ann"), "nobody")
	wantReason(t, err, writ.ReasonUnknownRunner)
}

func TestAnSVIDOfTheRunnersNameEnrolsAKeyAndNothingElse(t *testing.T) {
	w := enrolling(t)
	key := newKey(t)
	server := pin.Fingerprint(w.config.Author.Key.Public().(ed25519.PublicKey))
	_, err := w.ctl.Enrol(w.ctx, control.Caller{SVID: arrival}, w.asks(key, arrival, server, ""))
	must(t, err)
	if id, err := w.ctl.RunnerOf(w.ctx, publicOf(key)); err != nil || id != arrival {
		t.Errorf("%s %v", id, err)
	}
}

func TestARunnersKeyIsReplacedWhileItWorks(t *testing.T) {
	w := enrolling(t)
	server := pin.Fingerprint(w.config.Author.Key.Public().(ed25519.PublicKey))
	code := w.invite("new")
	old, next, third := newKey(t), newKey(t), newKey(t)
	_, err := w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(old)}, w.asks(old, arrival, server, code.Secret))
	must(t, err)
	_, err = w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(old)}, w.asks(next, arrival, server, ""))
	must(t, err)
	for _, key := range []ed25519.PrivateKey{old, next} {
		if id, err := w.ctl.RunnerOf(w.ctx, publicOf(key)); err != nil || id != arrival {
			t.Error("between the two steps both keys count")
		}
	}
	_, err = w.ctl.Enrol(w.ctx, control.Caller{Key: publicOf(next)}, w.asks(third, arrival, server, ""))
	wantKind(t, err, writ.ErrConflict)
	wantReason(t, w.ctl.RetireKey(w.ctx, control.Caller{Key: publicOf(next)}, assignment.Retire{Key: pin.Fingerprint(publicOf(next))}), writ.ReasonEnrolment)
	must(t, w.ctl.RetireKey(w.ctx, control.Caller{Key: publicOf(next)}, assignment.Retire{Key: pin.Fingerprint(publicOf(old))}))
	if _, err := w.ctl.RunnerOf(w.ctx, publicOf(old)); !errors.Is(err, writ.ErrUnknownUser) {
		t.Error("the retired key is still a runner's")
	}
	if id, err := w.ctl.RunnerOf(w.ctx, publicOf(next)); err != nil || id != arrival {
		t.Error("the new key went with the old one")
	}
}

func TestARemovedRunnerIsNobodyAndItsRunsEndAsALostOnes(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.begin()
	gone, err := w.ctl.RemoveRunner(w.ctx, human("ann"), "lab", "", "the machine was given back")
	must(t, err)
	if len(gone) != 1 || gone[0].Runner != runnerID {
		t.Fatalf("%+v", gone)
	}
	if _, err := w.ctl.RunnerOf(w.ctx, w.config.Runners[runnerID]); !errors.Is(err, writ.ErrUnknownUser) {
		t.Error("its key is still a runner's")
	}
	if r := w.run(h.b.Run); r.State != writ.RunUncertain || r.Reason != writ.ReasonRunnerLost {
		t.Errorf("its run is %s, %s", r.State, r.Reason)
	}
	left, err := w.ctl.Active(w.ctx, runnerID)
	must(t, err)
	kept, err := w.ctl.Active(w.ctx, otherID)
	must(t, err)
	if left || !kept {
		t.Error("its name counts, or another's does not")
	}
	keys, err := w.ctl.RunnerKeys(w.ctx, human("ann"))
	must(t, err)
	for _, k := range keys {
		if want := map[bool]writ.RunnerKeyState{true: writ.RunnerRemoved, false: writ.RunnerDeclared}[k.Runner == runnerID]; k.State != want {
			t.Errorf("%+v, want %s", k, want)
		}
	}
	_, err = w.ctl.RemoveRunner(w.ctx, human("ann"), "lab", "", "again")
	wantReason(t, err, writ.ReasonUnknownRunner)
}

func wantReason(t *testing.T, err error, want writ.Reason) {
	t.Helper()
	if got := writ.ReasonOf(err); got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func wantKind(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}
