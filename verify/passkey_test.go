package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/verify"
)

// asserted is a log whose approval a passkey gave, which was enrolled and confirmed before the plan was made.
func asserted(t testing.TB) (*world, *softkey.Key, verify.Trust) {
	t.Helper()
	w := newWorld(t)
	k := softkey.New(t, -7, "https://approve.writ.example", "approve.writ.example")
	k.AAGUID = [16]byte{1}
	trust := w.trust()
	trust.Approvers[0].Passkeys = []writ.Credential{k.Credential(writ.ProofA, start.Add(-time.Hour))}
	w.items[approved].before = func(w *world, i *item) {
		b := w.approvalBody() // by SSH, for everything but the proof
		b.Signature, b.Passkey, b.Proof, b.Key = "", k.Get(t, approval.Challenge(b.Statement)), writ.ProofA, approval.Fingerprint(k.COSE)
		w.approval = &writ.Approval{Statement: b.Statement, Passkey: b.Passkey}
		i.body = b
	}
	w.enrol(k, writ.PasskeyPending, person)
	w.enrol(k, writ.PasskeyActive, writ.Person{Iss: person.Iss, Sub: "u-99"})
	return w, k, trust
}

// enrol puts an entry of a passkey before the incident.
func (w *world) enrol(k *softkey.Key, state writ.PasskeyState, by writ.Person) {
	n := 1
	for w.items[n].kind == writ.EntryPasskey {
		n++
	}
	w.items = slices.Insert(w.items, n, &item{
		kind: writ.EntryPasskey, by: w.control, log: origin, actor: controlPlane, at: start, nonce: fmt.Sprintf("passkeynonce%010d", len(w.items)),
		body: &writ.PasskeyBody{Passkey: writ.PasskeyIDOf(k.ID), Person: person, State: state, Credential: k.Credential(writ.ProofA, start), By: by.Principal()},
	})
	for _, i := range w.items {
		for r := range i.refs {
			if i.refs[r] >= n {
				i.refs[r]++
			}
		}
	}
}

// entry is the first entry of a kind.
func (w *world) entry(kind writ.EntryKind) *item {
	i := slices.IndexFunc(w.items, func(i *item) bool { return i.kind == kind })
	return w.items[i]
}

func TestABundleWithAnApprovalByPasskeyVerifiesOffline(t *testing.T) {
	w, _, trust := asserted(t)
	b := w.bundle()
	r := judge(t, raw(t, b), trust, []byte(b.Checkpoint))
	if r.Verdict() != verify.OK || !strings.Contains(r.Text(), "u-17 as owner (proof A)") {
		t.Errorf("%s", r.Text())
	}
}

func TestWhatIsWrongWithAnApprovalByPasskeyIsFoundOffline(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *softkey.Key, *verify.Trust)
		want   string
	}{
		"its user was not verified": {func(_ *world, k *softkey.Key, _ *verify.Trust) { k.Flags &^= softkey.Verified }, "approval"},
		"another origin":            {func(_ *world, k *softkey.Key, _ *verify.Trust) { k.Origin = "https://writ.example" }, "approval"},
		"not on the auditor's roster": {func(_ *world, _ *softkey.Key, tr *verify.Trust) {
			tr.Approvers[0].Passkeys = nil
		}, "approval"},
		"newer than the plan, by the auditor's roster": {func(_ *world, _ *softkey.Key, tr *verify.Trust) {
			tr.Approvers[0].Passkeys[0].Since = start.Add(time.Hour)
		}, "approver"},
		"never enrolled": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			for range 2 {
				w.entry(writ.EntryPasskey).kind, w.entry(writ.EntryPasskey).body = writ.EntryFreeze, &writ.FreezeBody{Freeze: id[writ.FreezeID]("frz", 1), Scope: writ.FreezeAll}
			}
		}, "no_passkey"},
		"confirmed by its own person": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			w.items[2].body.(*writ.PasskeyBody).By = person.Principal()
		}, "passkey"},
		"never confirmed": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			w.items[2].body.(*writ.PasskeyBody).State = writ.PasskeyRemoved
		}, "passkey"},
		"confirmed without enrolment": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			w.items[1].body.(*writ.PasskeyBody).State = writ.PasskeyActive
		}, "no_passkey"},
		"another person's key since": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			w.items[2].body.(*writ.PasskeyBody).Person.Sub = "u-99"
		}, "passkey"},
		"the name of another passkey": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			w.items[1].body.(*writ.PasskeyBody).Passkey = writ.PasskeyIDOf([]byte("other"))
		}, "passkey"},
		"removed before": {func(w *world, k *softkey.Key, _ *verify.Trust) { w.enrol(k, writ.PasskeyRemoved, person) }, "passkey"},
		"an altered byte of what was signed": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			i := w.entry(writ.EntryApproval)
			before := i.before
			i.before = func(w *world, i *item) { before(w, i); i.body.(*writ.ApprovalBody).Passkey.AuthenticatorData[36] ^= 1 }
		}, "approval"},
		"an entry that claims another key": {func(w *world, _ *softkey.Key, _ *verify.Trust) {
			i := w.entry(writ.EntryApproval)
			before := i.before
			i.before = func(w *world, i *item) { before(w, i); i.body.(*writ.ApprovalBody).Key = "SHA256:other" }
		}, "approval"},
	} {
		t.Run(name, func(t *testing.T) {
			w, k, trust := asserted(t)
			c.change(w, k, &trust)
			b := w.bundle()
			r := judge(t, raw(t, b), trust, []byte(b.Checkpoint))
			if r.Verdict() != verify.Violated || !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == c.want }) {
				t.Errorf("want %s:\n%s", c.want, r.Text())
			}
		})
	}
}

func TestACounterThatGoesBackwardsIsFoundOffline(t *testing.T) {
	for name, c := range map[string]struct {
		counters [2]uint32
		want     bool
	}{"it grows": {[2]uint32{4, 5}, false}, "it stands": {[2]uint32{4, 4}, true}, "it goes back": {[2]uint32{4, 3}, true}, "there is none": {[2]uint32{0, 0}, false}} {
		w, k, trust := asserted(t)
		i := w.entry(writ.EntryApproval)
		before := i.before
		i.before = func(w *world, i *item) { k.Counter = c.counters[0]; before(w, i) }
		again := *i
		again.leaf, again.nonce = nil, "anothernonce0000000001"
		again.before = func(w *world, i *item) {
			first := *w.approval
			w.statement.Nonce, k.Counter = "statementnonce00000002", c.counters[1]
			before(w, i)
			i.body.(*writ.ApprovalBody).Approval = id[writ.ApprovalID]("apr", 2)
			w.approval = &first // which the grant counts
		}
		at := slices.Index(w.items, i) + 1
		w.items = slices.Insert(w.items, at, &again)
		for _, x := range w.items {
			refs := slices.Clone(x.refs)
			for r := range refs {
				if refs[r] >= at {
					refs[r]++
				}
			}
			x.refs = refs
		}
		b := w.bundle()
		r := judge(t, raw(t, b), trust, []byte(b.Checkpoint))
		if found := slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == "passkey_counter" }); found != c.want {
			t.Errorf("%s:\n%s", name, r.Text())
		}
	}
}
