package approval_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
)

const vectors = "../../testdata/vectors/"

var (
	now   = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	alice = writ.Person{Iss: "https://idp.example.com", Sub: "u-1"}
	bob   = writ.Person{Iss: "https://idp.example.com", Sub: "u-2"}
	carol = writ.Person{Iss: "https://idp.example.com", Sub: "u-3"}
	owner = writ.Person{Iss: "https://idp.example.com", Sub: "u-9"}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a plan with people who may and may not answer it.
type world struct {
	approval.Question
	keys map[writ.Person]ssh.Signer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	b, err := os.ReadFile(vectors + "plan.json")
	must(t, err)
	p, digest, err := writ.ParsePlan(b)
	must(t, err)
	w := &world{keys: map[writ.Person]ssh.Signer{}, Question: approval.Question{
		Plan: p, Tier: p.Tier, Digest: digest, Policy: p.Policy, Now: now, Owner: owner,
		Slots: map[string]string{"owner": "payments", "oncall": "payments-oncall"},
	}}
	w.enrol(t, alice, plain(t), "payments")
	w.enrol(t, bob, plain(t), "payments", "payments-oncall")
	w.enrol(t, carol, plain(t), "search")
	w.enrol(t, owner, plain(t), "payments")
	return w
}

func (w *world) enrol(t testing.TB, p writ.Person, key ssh.Signer, groups ...string) {
	w.keys[p] = key
	w.Roster = append(w.Roster, approval.Member{Iss: p.Iss, Sub: p.Sub, Groups: groups, Keys: []string{line(key)}})
	must(t, w.Roster.Check())
}

// replan gives the world another plan.
func (w *world) replan(t testing.TB, change func(*writ.Plan)) {
	t.Helper()
	change(&w.Plan)
	b, err := w.Plan.Bytes()
	must(t, err)
	w.Plan, w.Digest, err = writ.ParsePlan(b)
	must(t, err)
	w.Policy = w.Plan.Policy
}

// ask returns how a person would answer now.
func ask(t testing.TB, p writ.Person, slot string) approval.Ask {
	n, err := ident.Nonce(rand.Reader)
	must(t, err)
	return approval.Ask{Answer: writ.Approve, Person: p, Slot: slot, Now: now, Life: 15 * time.Minute, Nonce: n}
}

func (w *world) signed(t testing.TB, a approval.Ask) writ.Approval {
	t.Helper()
	s, err := approval.New(w.Plan, w.Digest, a)
	must(t, err)
	return sign(t, s, w.keys[a.Person])
}

func (w *world) approves(t testing.TB, p writ.Person, slot string) writ.Approval {
	t.Helper()
	return w.signed(t, ask(t, p, slot))
}

func sign(t testing.TB, s writ.ApprovalStatement, key ssh.Signer) writ.Approval {
	t.Helper()
	b, err := s.Bytes()
	must(t, err)
	sig, err := approval.Sign(b, key, rand.Reader)
	must(t, err)
	return writ.Approval{Statement: b, Signature: sig}
}

func plain(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	s, err := ssh.NewSignerFromKey(key)
	must(t, err)
	return s
}

func line(s ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
}

// securityKey signs as a FIDO key does, in software (PROTOCOL.u2f of OpenSSH).
type securityKey struct {
	key   ed25519.PrivateKey
	pub   ssh.PublicKey
	flags byte
}

func hardware(t testing.TB, flags byte) *securityKey {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	pub, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:"}))
	must(t, err)
	return &securityKey{key, pub, flags}
}

func (k *securityKey) PublicKey() ssh.PublicKey { return k.pub }

func (k *securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	rest := append([]byte{k.flags}, binary.BigEndian.AppendUint32(nil, 7)...)
	blob := slices.Concat(app[:], rest, message[:])
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.key, blob), Rest: rest}, nil
}

func wantReason(t *testing.T, err error, want writ.Reason) {
	t.Helper()
	if got := writ.ReasonOf(err); got != want || err == nil {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func TestNewMakesNoStatementThatCouldNotCount(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*approval.Ask){
		"no person":   func(a *approval.Ask) { a.Person = writ.Person{} },
		"no slot":     func(a *approval.Ask) { a.Slot = "" },
		"no answer":   func(a *approval.Ask) { a.Answer = "" },
		"no nonce":    func(a *approval.Ask) { a.Nonce = "" },
		"no life":     func(a *approval.Ask) { a.Life = 0 },
		"a long life": func(a *approval.Ask) { a.Life = writ.MaxApprovalLife + time.Second },
	} {
		a := ask(t, alice, "owner")
		change(&a)
		if s, err := approval.New(w.Plan, w.Digest, a); err == nil {
			t.Errorf("%s: made %+v", name, s)
		}
	}
	if sig, err := approval.Sign([]byte("hello"), plain(t), rand.Reader); err == nil {
		t.Errorf("signed something else than a statement: %s", sig)
	}
}
