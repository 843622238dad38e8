package authn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/token"
)

// A fading memory forgets what it was to keep until a time that has come, as a store does.
type fading struct {
	now func() time.Time

	mu   sync.Mutex
	kept map[string]string
	till map[string]time.Time
	n    int // calls
	down error
}

func newFading(now func() time.Time) *fading {
	return &fading{now: now, kept: map[string]string{}, till: map[string]time.Time{}}
}

func (f *fading) First(_ context.Context, key, value string, until time.Time) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.down != nil {
		return "", f.down
	}
	if t, there := f.till[key]; !there || !t.After(f.now()) {
		f.kept[key], f.till[key] = value, until
	}
	return f.kept[key], nil
}

// A nonceWorld has replicas that ask for nonces, and a holder with a control-plane token.
type nonceWorld struct {
	t      *testing.T
	clock  *clock
	office *office
	memory *fading
	key    *ecdsa.PrivateKey
	raw    string // its token
}

func newNonceWorld(t *testing.T, mode authn.NonceMode) *nonceWorld {
	t.Helper()
	s, c := newServer(t), newClock()
	w := &nonceWorld{t: t, clock: c, office: newOffice(t, c.Now, s.issuer(writ.KindAgent)), memory: newFading(c.Now), key: holderKey(t)}
	w.office.config.Memory, w.office.config.Nonces = w.memory, mode
	w.renew()
	return w
}

// renew gets the holder another token.
func (w *nonceWorld) renew() {
	w.raw, _ = w.office.give(w.t, w.office.config.Issuers[0].URL, "repair", keyed(w.key))
}

func (w *nonceWorld) replica() *authn.Authenticator { return w.office.replica(w.t, nil) }

// prove makes a proof by a key for a call with the world's token, at that time, with a nonce or "".
func (w *nonceWorld) prove(key *ecdsa.PrivateKey, at time.Time, nonce string) string {
	w.t.Helper()
	p, err := token.Prove(key, token.Proof{Method: "GET", URL: external + "/v1/status", AccessTokenHash: token.AccessTokenHash(w.raw), Nonce: nonce}, at, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// An outcome is how a resource answers.
type outcome struct {
	status     int
	nonce      string // DPoP-Nonce
	challenges []string
	cache      string
}

// calls sends a request with the proof to a door behind a, which answers as the API does.
func (w *nonceWorld) calls(a *authn.Authenticator, proof string) outcome {
	w.t.Helper()
	rec := httptest.NewRecorder()
	a.Challenges(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if _, err := a.Principal(r.Context(), r); err != nil {
			out.Header().Set("WWW-Authenticate", `Bearer realm="writ"`)
			out.WriteHeader(http.StatusUnauthorized)
			return
		}
		out.Write([]byte("{}"))
	})).ServeHTTP(rec, dpop(w.raw, proof))
	return outcome{rec.Code, rec.Header().Get("DPoP-Nonce"), rec.Header().Values("WWW-Authenticate"), rec.Header().Get("Cache-Control")}
}

// asked demands the question of RFC 9449 section 9, and returns the nonce that came with it.
func (w *nonceWorld) asked(what string, got outcome) string {
	w.t.Helper()
	if got.status != 401 || got.nonce == "" || got.cache != "no-store" || len(got.challenges) != 2 || !strings.HasPrefix(got.challenges[0], "DPoP ") ||
		!strings.Contains(got.challenges[0], `error="use_dpop_nonce"`) || got.challenges[1] != `Bearer realm="writ"` {
		w.t.Errorf("%s: no question for a nonce: %+v", what, got)
	}
	return got.nonce
}

// refused demands a refusal that asks for nothing.
func (w *nonceWorld) refused(what string, got outcome) {
	w.t.Helper()
	if got.status != 401 || got.nonce != "" || len(got.challenges) != 1 {
		w.t.Errorf("%s: %+v", what, got)
	}
}

func (w *nonceWorld) in(what string, got outcome, renewed bool) {
	w.t.Helper()
	if got.status != 200 || (got.nonce != "") != renewed {
		w.t.Errorf("%s: %+v", what, got)
	}
}

// RFC 9449 sections 8 to 9 and 11.3.
func TestRFC9449ARequiredNonceIsAskedForAndIsGoodForItsHolderAndItsTime(t *testing.T) {
	w := newNonceWorld(t, authn.NonceRequired)
	a, b := w.replica(), w.replica()
	now := w.clock.Now
	mine := func(nonce string) string { return w.prove(w.key, now(), nonce) }

	nonce := w.asked("a proof without one", w.calls(a, mine("")))
	w.in("with it", w.calls(a, mine(nonce)), false)
	w.in("with it at another replica, a second time", w.calls(b, mine(nonce)), false)
	w.in("at a replica that starts later", w.calls(w.replica(), mine(nonce)), false)
	elsewhere := w.replicaWith(newFading(now))
	w.asked("at another installation, whose key is another", w.calls(elsewhere, mine(nonce)))

	thief := holderKey(t)
	theirs := w.asked("a question of another key", w.calls(a, w.prove(thief, now(), "")))
	w.asked("a nonce that was given to another key", w.calls(a, mine(theirs)))
	w.asked("this one's, in another key's proof", w.calls(a, w.prove(thief, now(), nonce)))
	w.refused("another key's nonce and proof, with this one's token", w.calls(a, w.prove(thief, now(), theirs)))

	for i := range 24 { // each byte counts
		raw, err := base64.RawURLEncoding.DecodeString(nonce)
		if err != nil || len(raw) != 24 {
			t.Fatalf("a nonce of %d bytes: %v", len(raw), err)
		}
		raw[i] ^= 1
		w.asked("an altered nonce", w.calls(a, mine(base64.RawURLEncoding.EncodeToString(raw))))
	}
	for name, forged := range map[string]string{
		"no base64": "!!!!", "too short": nonce[:20], "longer": nonce + "AAAA", "zeroes": strings.Repeat("A", 32), "very long": strings.Repeat("A", 4096),
	} {
		w.asked(name, w.calls(a, mine(forged)))
	}
	w.in("with a clock that is a day ahead", w.calls(a, w.prove(w.key, now().Add(24*time.Hour), nonce)), false)
	wrong, err := token.Prove(w.key, token.Proof{Method: "GET", URL: external + "/v1/other", AccessTokenHash: token.AccessTokenHash(w.raw), Nonce: nonce}, now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.refused("a good nonce in a proof for another URL", w.calls(a, wrong))

	w.clock.advance(61 * time.Second)
	next := w.calls(b, mine(nonce))
	w.in("after a minute", next, true)
	w.in("with the one that came then", w.calls(a, mine(next.nonce)), false)
	w.clock.advance(58 * time.Second)
	w.in("just before its end", w.calls(a, mine(nonce)), true)
	w.clock.advance(time.Second)
	w.asked("at its end", w.calls(a, mine(nonce)))
	w.in("the one after it", w.calls(a, mine(next.nonce)), false)

	w.clock.advance(-3 * time.Minute)
	w.renew()
	w.asked("one from the future", w.calls(a, mine(next.nonce)))
}

// replicaWith is a replica over another memory.
func (w *nonceWorld) replicaWith(m authn.Memory) *authn.Authenticator {
	return w.office.replica(w.t, func(c *authn.Config) { c.Memory = m })
}

func TestRFC9449WithTheModeClockANonceIsAskedForWhereIatIsNotOfThisTime(t *testing.T) {
	w := newNonceWorld(t, authn.NonceClock)
	a, b := w.replica(), w.replica()
	now := w.clock.Now
	w.in("a proof of now", w.calls(a, w.prove(w.key, now(), "")), false)
	for name, off := range map[string]time.Duration{"ten minutes behind": -10 * time.Minute, "ten minutes ahead": 10 * time.Minute, "a minute behind": -time.Minute} {
		nonce := w.asked(name, w.calls(a, w.prove(w.key, now().Add(off), "")))
		w.in(name+", with the nonce", w.calls(b, w.prove(w.key, now().Add(off), nonce)), false)
		w.refused(name+", by another key", w.calls(a, w.prove(holderKey(t), now(), "")))
		w.in("a proof of now with a nonce that means nothing", w.calls(a, w.prove(w.key, now(), "AAAA")), false)
	}
}

// A proof with a nonce is of the server's time, so that its iat says nothing of how long it must be remembered.
func TestRFC9449AProofWithANonceIsGoodOnceWhateverItsTime(t *testing.T) {
	w := newNonceWorld(t, authn.NonceClock)
	a, b := w.replica(), w.replica()
	off := w.clock.Now().Add(-time.Hour)
	nonce := w.asked("an hour behind", w.calls(a, w.prove(w.key, off, "")))
	proof := w.prove(w.key, off, nonce)
	w.in("the first time", w.calls(a, proof), false)
	for range 11 { // ten seconds each, until the nonce is about to end
		w.clock.advance(10 * time.Second)
		if got := w.calls(b, proof); got.status != 401 {
			t.Fatalf("again, %s after: %+v", w.clock.Now().Sub(off)-time.Hour, got)
		}
	}
}

func TestANoncesKeyChangesByTheHourAndNoCallFallsBetween(t *testing.T) {
	w := newNonceWorld(t, authn.NonceRequired)
	a, b := w.replica(), w.replica()
	w.clock.advance(time.Hour - 30*time.Second)
	w.renew()
	nonce := w.asked("before the hour", w.calls(a, w.prove(w.key, w.clock.Now(), "")))
	w.clock.advance(45 * time.Second)
	w.in("after it", w.calls(b, w.prove(w.key, w.clock.Now(), nonce)), false)
	next := w.asked("the next", w.calls(b, w.prove(w.key, w.clock.Now(), "")))
	w.in("with that", w.calls(a, w.prove(w.key, w.clock.Now(), next)), false)
	n := w.memory.n
	for range 5 {
		w.asked("asked again", w.calls(a, w.prove(w.key, w.clock.Now(), "")))
	}
	if w.memory.n != n {
		t.Errorf("the memory was asked %d times for keys that are known", w.memory.n-n)
	}
	// A stranger's time brings forth no key.
	w.asked("a nonce of the year 2100", w.calls(a, w.prove(w.key, w.clock.Now(), base64.RawURLEncoding.EncodeToString(append([]byte{0, 0, 0, 0, 0xf4, 0x86, 0x57, 0}, make([]byte, 16)...)))))
	if w.memory.n != n {
		t.Error("the memory was asked for the key of a stranger's time")
	}
}

func TestI05WithoutItsMemoryNoNonceIsBelievedOrGiven(t *testing.T) {
	w := newNonceWorld(t, authn.NonceRequired)
	a := w.replica()
	nonce := w.asked("while it is up", w.calls(a, w.prove(w.key, w.clock.Now(), "")))
	w.memory.down = errors.New("down")
	late := w.replica() // knows no key yet
	w.refused("no nonce can be made", w.calls(late, w.prove(w.key, w.clock.Now(), "")))
	w.refused("none can be judged", w.calls(late, w.prove(w.key, w.clock.Now(), nonce)))
	if _, code, _ := late.Explain(t.Context(), dpop(w.raw, w.prove(w.key, w.clock.Now(), nonce))); code != authn.CodeMemory {
		t.Errorf("the log's code is %q", code)
	}
}

func TestNoncesAreConfiguredByOneOfThreeWords(t *testing.T) {
	w := newNonceWorld(t, authn.NonceOff)
	a := w.replica()
	w.in("off", w.calls(a, w.prove(w.key, w.clock.Now(), "")), false)
	w.in("off, with one of a replica that has another mode", w.calls(a, w.prove(w.key, w.clock.Now(), strings.Repeat("A", 32))), false)
	w.refused("off, ten minutes behind", w.calls(a, w.prove(w.key, w.clock.Now().Add(-10*time.Minute), strings.Repeat("A", 32))))
	door := http.NotFoundHandler()
	if got := a.Challenges(door); got == nil || len(authn.NonceModes) != 3 {
		t.Error("nothing is served")
	}
	for name, change := range map[string]func(*authn.Config){
		"another word": func(c *authn.Config) { c.Nonces = "sometimes" },
		"no memory":    func(c *authn.Config) { c.Nonces, c.Memory, c.Tokens = authn.NonceRequired, nil, nil },
	} {
		c := w.office.config
		change(&c)
		if _, err := authn.New(c); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stream of events goes through: its writer finds Flush, and http.ResponseController what lies behind.
func TestAnAnswerWithANonceCanBeAStream(t *testing.T) {
	w := newNonceWorld(t, authn.NonceRequired)
	a := w.replica()
	nonce := w.asked("first", w.calls(a, w.prove(w.key, w.clock.Now(), "")))
	w.clock.advance(61 * time.Second)
	rec := httptest.NewRecorder()
	a.Challenges(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if _, err := a.Principal(r.Context(), r); err != nil {
			t.Error(err)
		}
		out.(http.Flusher).Flush()
		if err := http.NewResponseController(out).Flush(); err != nil {
			t.Error(err)
		}
		out.Write([]byte("data: 1\n\n"))
	})).ServeHTTP(rec, dpop(w.raw, w.prove(w.key, w.clock.Now(), nonce)))
	if rec.Code != 200 || !rec.Flushed || rec.Header().Get("DPoP-Nonce") == "" || rec.Body.String() != "data: 1\n\n" {
		t.Errorf("%d %v %v %q", rec.Code, rec.Flushed, rec.Header(), rec.Body)
	}
}
