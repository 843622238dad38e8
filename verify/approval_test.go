package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// hardware signs as a FIDO key does: the flags say whether it was touched (1) and its user verified (4).
type hardware struct {
	t     testing.TB
	flags byte
}

const application = "ssh:"

func hardwareKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	blob := ssh.Marshal(struct {
		Name        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public(key(8)), application})
	k, err := ssh.ParsePublicKey(blob)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func hardwareLine(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hardwareKey(t))))
}

func (h *hardware) PublicKey() ssh.PublicKey { return hardwareKey(h.t) }

func (h *hardware) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, msg := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	rest := binary.BigEndian.AppendUint32([]byte{h.flags}, 7)
	signed := bytes.Join([][]byte{app[:], rest, msg[:]}, nil)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(key(8), signed), Rest: rest}, nil
}

func TestAHardwareKeyWithItsUserVerifiedProvesMore(t *testing.T) {
	w := newWorld(t)
	w.human = &hardware{t, 1 | 4}
	body[writ.DecisionBody](w, asked).Requirements.Proof = writ.ProofC
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Verdict() != verify.OK || !strings.Contains(r.Text(), "u-17 as owner (proof C)") || !strings.HasPrefix(r.Plans[0].Decision, "allow") {
		t.Errorf("%s", r.Text())
	}
}

// The weakest proof that a grant counts decides, whichever way they are ordered.
func TestTheWeakestProofCounts(t *testing.T) {
	for name, signers := range map[string][2]ssh.Signer{
		"strong, weak": {&hardware{t, 5}, &hardware{t, 1}},
		"weak, strong": {&hardware{t, 1}, &hardware{t, 5}},
	} {
		w := newWorld(t)
		body[writ.DecisionBody](w, asked).Requirements.Proof = writ.ProofC
		w.human = signers[0]
		w.secondSlot()
		second := w.items[approved+1]
		inner := second.before
		second.before = func(w *world, i *item) { w.human = signers[1]; inner(w, i) }
		b := w.bundle()
		r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
		found := false
		for _, f := range r.Findings {
			found = found || f.Code == "proof"
		}
		if !found {
			t.Errorf("%s:\n%s", name, r.Text())
		}
	}
}

// secondSlot has the same person answer once more, as on-call, and the grant count both.
func (w *world) secondSlot() {
	i := *w.items[approved]
	i.nonce, i.leaf = "second"+i.nonce, nil
	i.before = func(w *world, i *item) {
		first := w.statement
		w.statement.Slot, w.statement.Nonce = "oncall", "statementnonce00000002"
		one := *w.approval
		b := w.approvalBody()
		b.Approval = id[writ.ApprovalID]("apr", 2)
		i.body = b
		for _, a := range []writ.Approval{one, *w.approval} {
			d, err := a.Digest()
			if err != nil {
				w.t.Fatal(err)
			}
			for _, it := range w.items {
				if g, ok := it.body.(*writ.GrantBody); ok {
					g.Approvals = append(g.Approvals, d)
				}
			}
		}
		w.statement = first
	}
	for _, it := range w.items {
		for n, r := range it.refs {
			if r > approved {
				it.refs[n] = r + 1
			}
		}
	}
	w.items = append(w.items[:approved+1:approved+1], append([]*item{&i}, w.items[approved+1:]...)...)
}

func TestI02ARequestersOtherAccountIsTheRequester(t *testing.T) {
	w := newWorld(t)
	other := writ.Person{Iss: "https://idp.example", Sub: "u-17-admin"}
	body[writ.ProposalBody](w, proposal).By = other.Principal()
	body[writ.PlanBody](w, planned).Requester = other.Principal()
	b := w.bundle()
	trust := w.trust()
	if r := judge(t, raw(t, b), trust, []byte(b.Checkpoint)); r.Verdict() != verify.OK {
		t.Errorf("two people:\n%s", r.Text())
	}
	trust.Approvers[0].Accounts = []writ.Person{other}
	r := judge(t, raw(t, b), trust, []byte(b.Checkpoint))
	if r.Authority.Verdict != verify.Violated || r.Findings[0].Code != "self_approval" {
		t.Errorf("one person with two accounts:\n%s", r.Text())
	}
}

func TestAnUndoThatHasOnlyBegunSaysSo(t *testing.T) {
	w := newWorld(t)
	w.undo(writ.EntryUndoIntent)
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Plans[0].Steps[0].Undo != "begun" || len(r.Open) != 1 || r.Missing.Verdict != verify.CannotTell {
		t.Errorf("%s", r.Text())
	}
}
