package verify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/verify"
)

// elsewhere is another incident than the log's.
const elsewhere = writ.IncidentID("inc_01JDB3V0T6M2Y8H4R1C7K5P9WD")

// askedByPasskey is the log of a break-glass whose ask a passkey signed, which was enrolled and confirmed before.
func askedByPasskey(t testing.TB) (*glassLog, *softkey.Key, verify.Trust) {
	t.Helper()
	l := newGlassLog(t)
	k := softkey.New(t, -7, "https://approve.writ.example", "approve.writ.example")
	trust := l.trusted()
	i := slices.IndexFunc(trust.Approvers, func(a verify.Approver) bool { return a.Sub == asker.Sub })
	trust.Approvers[i].Passkeys = []writ.Credential{k.Credential(writ.ProofB, l.stmt.Incident.Opened())}
	l.ask.before = func(_ *world, i *item) {
		b := l.asked("u-21")
		b.Signature, b.Passkey, b.Proof, b.Key = "", k.Get(t, approval.AskChallenge(b.Statement)), writ.ProofB, approval.Fingerprint(k.COSE)
		i.body = b
	}
	for n, by := range []writ.Person{asker, person} {
		l.insert(1+n, &item{
			kind: writ.EntryPasskey, by: l.control, log: origin, actor: controlPlane, at: start, nonce: "glasspasskeynonce000000" + string(rune('0'+n)),
			body: &writ.PasskeyBody{Passkey: writ.PasskeyIDOf(k.ID), Person: asker, State: []writ.PasskeyState{writ.PasskeyPending, writ.PasskeyActive}[n], Credential: k.Credential(writ.ProofB, start), By: by.Principal()},
		})
	}
	return l, k, trust
}

func TestPitfall34AnAskByPasskeyIsCheckedOffline(t *testing.T) {
	ask := func(l *glassLog, change func(*writ.BreakGlassBody)) {
		before := l.ask.before
		l.ask.before = func(w *world, i *item) { before(w, i); change(i.body.(*writ.BreakGlassBody)) }
	}
	for name, c := range map[string]struct {
		change func(*glassLog, *softkey.Key, *verify.Trust)
		want   string // empty: it verifies
	}{
		"the honest log":            {func(*glassLog, *softkey.Key, *verify.Trust) {}, ""},
		"its user was not verified": {func(_ *glassLog, k *softkey.Key, _ *verify.Trust) { k.Flags &^= softkey.Verified }, "breakglass"},
		"another origin":            {func(_ *glassLog, k *softkey.Key, _ *verify.Trust) { k.Origin = "https://writ.example" }, "breakglass"},
		"another rpId":              {func(_ *glassLog, k *softkey.Key, _ *verify.Trust) { k.RP = "writ.example" }, "breakglass"},
		"an assertion for an answer": {func(l *glassLog, k *softkey.Key, _ *verify.Trust) {
			ask(l, func(b *writ.BreakGlassBody) { b.Passkey = k.Get(l.t, approval.Challenge(b.Statement)) })
		}, "breakglass"},
		"two proofs": {func(l *glassLog, _ *softkey.Key, _ *verify.Trust) {
			ask(l, func(b *writ.BreakGlassBody) { b.Signature = l.sign(b.Statement, l.keys["u-21"], "breakglass@writ.dev") })
		}, "breakglass"},
		"an altered byte of what was signed": {func(l *glassLog, _ *softkey.Key, _ *verify.Trust) {
			ask(l, func(b *writ.BreakGlassBody) { b.Passkey.AuthenticatorData[36] ^= 1 })
		}, "breakglass"},
		"a level that it does not show": {func(l *glassLog, _ *softkey.Key, _ *verify.Trust) {
			ask(l, func(b *writ.BreakGlassBody) { b.Proof = writ.ProofA })
		}, "breakglass"},
		"another key": {func(l *glassLog, _ *softkey.Key, _ *verify.Trust) {
			ask(l, func(b *writ.BreakGlassBody) { b.Key = "SHA256:other" })
		}, "breakglass"},
		"not on the auditor's roster": {func(_ *glassLog, _ *softkey.Key, tr *verify.Trust) {
			for i := range tr.Approvers {
				tr.Approvers[i].Passkeys = nil
			}
		}, "breakglass"},
		"newer than the incident, by the auditor's roster": {func(_ *glassLog, _ *softkey.Key, tr *verify.Trust) {
			for i := range tr.Approvers {
				for j := range tr.Approvers[i].Passkeys {
					tr.Approvers[i].Passkeys[j].Since = start.Add(time.Minute)
				}
			}
		}, "breakglass"},
		"never confirmed": {func(l *glassLog, _ *softkey.Key, _ *verify.Trust) {
			l.items[2].body.(*writ.PasskeyBody).State = writ.PasskeyRemoved
		}, "passkey"},
		"never enrolled": {func(l *glassLog, _ *softkey.Key, _ *verify.Trust) {
			for _, i := range l.items[1:3] {
				i.kind, i.body = writ.EntryFreeze, &writ.FreezeBody{Freeze: id[writ.FreezeID]("frz", 1), Scope: writ.FreezeAll}
			}
		}, "no_passkey"},
		"for another incident": {func(l *glassLog, _ *softkey.Key, _ *verify.Trust) { l.stmt.Incident = elsewhere }, "breakglass"},
	} {
		t.Run(name, func(t *testing.T) {
			l, k, trust := askedByPasskey(t)
			c.change(l, k, &trust)
			b := l.bundle()
			r := judge(t, raw(t, b), trust, []byte(b.Checkpoint))
			if c.want == "" && r.Verdict() != verify.OK {
				t.Errorf("%s", r.Text())
			}
			if c.want != "" && (r.Authority.Verdict != verify.Violated || !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == c.want })) {
				t.Errorf("want %s:\n%s", c.want, r.Text())
			}
		})
	}
}
