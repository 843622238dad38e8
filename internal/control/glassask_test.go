package control_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

// passkeyGlass is a control plane that takes asks of level B or better, where kim has a passkey that bob confirmed.
func passkeyGlass(t *testing.T, changes ...func(*control.Config)) (*world, *softkey.Key) {
	t.Helper()
	w := glassWorld(t, append([]func(*control.Config){approving, func(c *control.Config) { c.BreakGlass.AskProof = "" }}, changes...)...)
	k := newPasskey(t)
	w.hasPasskey("kim", k)
	return w, k
}

func (w *world) wish(in writ.IncidentID) writ.BreakGlassWish {
	return writ.BreakGlassWish{Incident: in, Service: "shop", Playbook: w.config.Library[inEmergency].Ref(), Parameters: workload}
}

// begunAsk is an ask as the browser sends it, of a statement that the server made.
func (w *world) begunAsk(k *softkey.Key, begun writ.BreakGlassBegun) writ.BreakGlassAsk {
	w.t.Helper()
	return writ.BreakGlassAsk{Statement: begun.Statement, Passkey: k.Get(w.t, challenge(w.t, begun.Options.Challenge)), Parameters: workload, Justification: "the shop is down"}
}

// asksByPasskey begins and ends an ask.
func (w *world) asksByPasskey(sub string, k *softkey.Key, in writ.IncidentID) (writ.BreakGlass, error) {
	w.t.Helper()
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human(sub), w.wish(in))
	if err != nil {
		return writ.BreakGlass{}, err
	}
	return w.ctl.AskBreakGlass(w.ctx, human(sub), w.begunAsk(k, begun))
}

func TestAPersonAsksForBreakGlassWithAPasskeyAndSomebodyElseAgrees(t *testing.T) {
	w, k := passkeyGlass(t)
	in := w.incident("shop").ID
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	must(t, err)
	if o := begun.Options; o.UserVerification != "required" || o.RPID != approveRP || len(o.Allow) != 1 || !bytes.Equal(challenge(t, o.Challenge), approval.AskChallenge(begun.Statement)) {
		t.Errorf("the browser is asked for %+v", o)
	}
	g, err := w.ctl.AskBreakGlass(w.ctx, human("kim"), w.begunAsk(k, begun))
	must(t, err)
	if g.Proof != writ.ProofB || g.Asker != human("kim") || g.State != writ.BreakGlassAsked {
		t.Errorf("%+v", g)
	}
	if s := w.settled(human("kim"), g.Plan); s.State != writ.PlanWaiting {
		t.Fatalf("%s: %s", s.State, s.Detail)
	}
	_, err = w.asserts(g.Plan, "kim", k)
	refused(t, err, writ.ReasonApproverConflict) // who asked approves nothing, with the same passkey either
	_, err = w.approve(g.Plan, "bob", "owner")
	must(t, err)
	h := w.runner.take()
	a := h.b.Asked
	if a == nil || a.Passkey == nil || a.Signature != "" || len(a.Passkey.ClientData) == 0 || len(a.Passkey.AuthenticatorData) != 37 {
		t.Fatalf("the runner gets the ask as %+v", a)
	}
	h.succeed()
	b := w.bodies(writ.EntryBreakGlass)[0].(*writ.BreakGlassBody)
	if b.Proof != writ.ProofB || b.Passkey == nil || b.Signature != "" || b.Key != approval.Fingerprint(k.COSE) {
		t.Errorf("the entry: %+v", b)
	}
	if g, err = w.ctl.BreakGlassOf(w.ctx, human("ann"), g.ID); err != nil || g.State != writ.BreakGlassUsed || g.ReviewDue == nil {
		t.Errorf("%+v, %v", g, err)
	}
}

// Pitfall 34 with each level of proof that there is, against each that a configuration may ask for.
func TestPitfall34OfTheLevelsOfProofOnlyWhatIsDemandedAsksForBreakGlass(t *testing.T) {
	taken := map[writ.ProofLevel]string{writ.ProofA: "A", writ.ProofB: "AB", "": "AB", writ.ProofC: "ABC"}
	for least, want := range taken {
		t.Run("at least "+string(least), func(t *testing.T) {
			model := [16]byte{7}
			maker := softkey.NewMaker(t, model, begin)
			w := glassWorld(t, approving, manyIncidents, func(c *control.Config) {
				c.BreakGlass = control.BreakGlass{AskProof: least, PerDay: 50}
				roots := x509.NewCertPool()
				roots.AddCert(maker.Root)
				c.Approve.Models = map[string]*x509.CertPool{"07000000-0000-0000-0000-000000000000": roots}
			})
			attested, synced := newPasskey(t), newPasskey(t)
			attested.AAGUID, attested.Maker = model, maker
			synced.Flags |= softkey.Eligible
			w.hasPasskey("kim", attested)
			w.hasPasskey("kim", synced)
			for level, ask := range map[string]func(writ.IncidentID) (writ.BreakGlass, error){
				"A": func(in writ.IncidentID) (writ.BreakGlass, error) { return w.asksByPasskey("kim", attested, in) },
				"B": func(in writ.IncidentID) (writ.BreakGlass, error) { return w.asksByPasskey("kim", synced, in) },
				"C": func(in writ.IncidentID) (writ.BreakGlass, error) { return w.breakGlass("ann", in) },
				"D": func(in writ.IncidentID) (writ.BreakGlass, error) { // a key in a file
					return w.ctl.AskBreakGlass(w.ctx, human("ann"), w.signGlass(w.glass("ann", in), w.people["ann"]))
				},
				"E": func(in writ.IncidentID) (writ.BreakGlass, error) { // a login, and nothing signed
					b, err := w.glass("ann", in).Bytes()
					must(t, err)
					return w.ctl.AskBreakGlass(w.ctx, human("ann"), writ.BreakGlassAsk{Statement: b, Parameters: workload, Justification: "x"})
				},
			} {
				in := w.incident("shop").ID
				before := w.count(writ.EntryBreakGlass)
				g, err := ask(in)
				if strings.Contains(want, level) {
					if err != nil || string(g.Proof) != level {
						t.Errorf("%s: proof %q, %v", level, g.Proof, err)
						continue
					}
					_, err = w.ctl.Withdraw(w.ctx, g.Asker, g.Plan, "not needed")
					must(t, err)
					continue
				}
				code := writ.ReasonApprovalProof
				if level == "E" {
					code = writ.ReasonApprovalSignature
				}
				if writ.ReasonOf(err) != code || w.count(writ.EntryBreakGlass) != before {
					t.Errorf("%s: %v, want %s", level, err, code)
				}
			}
		})
	}
}

func TestPitfall34AnAgentDoesNotEvenBeginAnAsk(t *testing.T) {
	w, k := passkeyGlass(t)
	in := w.incident("shop").ID
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	must(t, err)
	ask := w.begunAsk(k, begun) // a person's genuine assertion in an agent's hand
	for _, by := range []writ.Principal{repair, source, runnerID.Principal(), {}} {
		_, err := w.ctl.BeginBreakGlass(w.ctx, by, w.wish(in))
		refused(t, err, writ.ReasonKind)
		_, err = w.ctl.AskBreakGlass(w.ctx, by, ask)
		refused(t, err, writ.ReasonKind)
	}
	_, err = w.ctl.AskBreakGlass(w.ctx, human("ann"), ask)
	refused(t, err, writ.ReasonBreakGlassMismatch) // nor does another person send it
	if w.count(writ.EntryBreakGlass) != 0 {
		t.Error("it was asked for")
	}
}

func TestPitfall19AnAskWhoseAssertionWasMadeOtherwiseIsRefused(t *testing.T) {
	w, k := passkeyGlass(t)
	in := w.incident("shop").ID
	for name, c := range map[string]struct {
		change func(*softkey.Key)
		want   writ.Reason
	}{
		"its user was not verified": {func(k *softkey.Key) { k.Flags &^= softkey.Verified }, writ.ReasonApprovalSignature},
		"nobody was there":          {func(k *softkey.Key) { k.Flags &^= softkey.Present }, writ.ReasonApprovalSignature},
		"another rpId":              {func(k *softkey.Key) { k.RP = "writ.test" }, writ.ReasonApprovalSignature},
		"another origin":            {func(k *softkey.Key) { k.Origin = "https://writ.test" }, writ.ReasonApprovalSignature},
		"a page of another site":    {func(k *softkey.Key) { k.Extra = `,"topOrigin":"https://evil.test"` }, writ.ReasonApprovalSignature},
		"synced since":              {func(k *softkey.Key) { k.Flags |= softkey.Eligible }, writ.ReasonApprovalSignature},
		"a passkey of nobody":       {func(k *softkey.Key) { k.ID = []byte("nobody's") }, writ.ReasonApproverUnknown},
	} {
		other := *k
		c.change(&other)
		if _, err := w.asksByPasskey("kim", &other, in); writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	must(t, err)
	ask := w.begunAsk(k, begun)
	both := ask
	both.Signature = w.signGlass(w.glass("ann", in), w.people["sk ann"]).Signature
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), both)
	refused(t, err, writ.ReasonApprovalForm)
	ask.Passkey = k.Get(t, approval.Challenge(begun.Statement)) // as if it were an answer to a plan
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	refused(t, err, writ.ReasonApprovalSignature)
	if w.count(writ.EntryBreakGlass) != 0 {
		t.Error("one of them was taken")
	}
	_, err = w.asksByPasskey("kim", k, in)
	must(t, err)
}

func TestPitfall20OnlyAnAskThatWasBegunHereLastIsTaken(t *testing.T) {
	w, k := passkeyGlass(t)
	in := w.incident("shop").ID
	own, err := w.glass("kim", in).Bytes() // of the client's own making
	must(t, err)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), writ.BreakGlassAsk{Statement: own, Passkey: k.Get(t, approval.AskChallenge(own)), Parameters: workload, Justification: "x"})
	refused(t, err, writ.ReasonApprovalReplayed)
	before, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	must(t, err)
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	must(t, err)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), w.begunAsk(k, before))
	refused(t, err, writ.ReasonApprovalReplayed)
	ask := w.begunAsk(k, begun)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask) })
	}
	all.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		} else {
			refused(t, err, writ.ReasonBreakGlassReplayed)
		}
	}
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	refused(t, err, writ.ReasonBreakGlassReplayed)
	if n := w.count(writ.EntryBreakGlass); taken != 1 || n != 1 || w.count(writ.EntryProposal) != 1 {
		t.Errorf("%d were taken, %d asks entered", taken, n)
	}
}

func TestPitfall18AnAskByPasskeyIsForWhatItWasBegunFor(t *testing.T) {
	w, k := passkeyGlass(t, manyIncidents)
	in, other := w.incident("shop").ID, w.incident("shop").ID
	for name, c := range map[string]struct {
		change func(*writ.BreakGlassWish)
		want   writ.Reason
	}{
		"another content":   {func(x *writ.BreakGlassWish) { x.Playbook.Digest = writ.DigestOf(nil) }, writ.ReasonBreakGlassMismatch},
		"another playbook":  {func(x *writ.BreakGlassWish) { x.Playbook = w.config.Library["restart-workload"].Ref() }, writ.ReasonBreakGlass},
		"another service":   {func(x *writ.BreakGlassWish) { x.Service = "orders" }, writ.ReasonBreakGlassMismatch},
		"no such incident":  {func(x *writ.BreakGlassWish) { x.Incident = "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB" }, writ.ReasonUnknownIncident},
		"a parameter short": {func(x *writ.BreakGlassWish) { x.Parameters = writ.Parameters{} }, writ.ReasonMissingParameter},
	} {
		x := w.wish(in)
		c.change(&x)
		if _, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), x); writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	must(t, err)
	ask := w.begunAsk(k, begun)
	altered := ask
	altered.Statement = []byte(strings.Replace(string(ask.Statement), string(in), string(other), 1))
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), altered)
	refused(t, err, writ.ReasonApprovalSignature)
	ask.Parameters = with(workload, "name", writ.String("db"))
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	refused(t, err, writ.ReasonBreakGlassMismatch)
	ask.Parameters = workload
	w.pass(writ.MaxBreakGlassLife)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	refused(t, err, writ.ReasonBreakGlassExpired)
}

func TestPitfall25APasskeyThatIsNewerThanTheIncidentDoesNotAsk(t *testing.T) {
	w, k := passkeyGlass(t, manyIncidents)
	in := w.incident("shop").ID
	w.pass(time.Second)
	late := newPasskey(t)
	w.hasPasskey("kim", late)
	_, err := w.asksByPasskey("kim", late, in)
	refused(t, err, writ.ReasonApproverUnknown)
	g, err := w.asksByPasskey("kim", k, in)
	must(t, err)
	_, err = w.ctl.Withdraw(w.ctx, human("kim"), g.Plan, "not needed")
	must(t, err)
	_, err = w.asksByPasskey("kim", late, w.incident("shop").ID)
	must(t, err)
}

func TestPitfall19And23APasskeyThatWasRemovedOrCopiedDoesNotAsk(t *testing.T) {
	w, k := passkeyGlass(t, manyIncidents)
	in := w.incident("shop").ID
	k.Counter = 9
	g, err := w.asksByPasskey("kim", k, in)
	must(t, err)
	_, err = w.ctl.Withdraw(w.ctx, human("kim"), g.Plan, "not needed")
	must(t, err)
	k.Counter = 9
	_, err = w.asksByPasskey("kim", k, in)
	refused(t, err, writ.ReasonApprovalCloned)
	k.Counter = 20
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	must(t, err)
	ask := w.begunAsk(k, begun)
	_, err = w.ctl.SetPasskey(w.ctx, human("kim"), writ.PasskeyIDOf(k.ID), writ.PasskeyRemoved, "")
	must(t, err)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	refused(t, err, writ.ReasonApproverUnknown)
	_, err = w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	refused(t, err, writ.ReasonUnknownPasskey)
}

func TestPitfall35AnOverdueReviewBlocksAlreadyTheBeginning(t *testing.T) {
	w, k := passkeyGlass(t, manyIncidents)
	g, err := w.asksByPasskey("kim", k, w.incident("shop").ID)
	must(t, err)
	w.carryOut(g)
	w.pass(writ.ReviewLife)
	in := w.incident("shop").ID
	_, err = w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(in))
	refused(t, err, writ.ReasonReviewOverdue)
	_, err = w.ctl.ReviewBreakGlass(w.ctx, human("kim"), g.ID, writ.ReviewJustified, "fine")
	refused(t, err, writ.ReasonReviewOwn)
	_, err = w.ctl.ReviewBreakGlass(w.ctx, human("bob"), g.ID, writ.ReviewJustified, "fine")
	must(t, err)
	_, err = w.asksByPasskey("kim", k, in)
	must(t, err)
}

func TestPitfall37ADrillIsAskedForByPasskeyToo(t *testing.T) {
	w, k := passkeyGlass(t)
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(""))
	must(t, err)
	ask := w.begunAsk(k, begun)
	g, err := w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	must(t, err)
	w.carryOut(g)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	refused(t, err, writ.ReasonBreakGlassReplayed)
	if g, err = w.ctl.BreakGlassOf(w.ctx, human("kim"), g.ID); err != nil || !g.Passed || !g.Drill {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestPitfall37ADrillsAskIsUsedAgainByWhoMadeItAndRefused(t *testing.T) {
	w, k := passkeyGlass(t, manyIncidents)
	drill, err := w.asksByPasskey("kim", k, "")
	must(t, err)
	w.carryOut(drill)
	w.pass(6 * time.Minute) // the playbook rests between two runs
	use, err := w.asksByPasskey("kim", k, w.incident("shop").ID)
	must(t, err)
	for name, c := range map[string]struct {
		by writ.Principal
		id writ.BreakGlassID
		as writ.Reason
	}{
		"somebody else": {human("ann"), drill.ID, writ.ReasonNotYours}, "no drill": {human("kim"), use.ID, writ.ReasonNotYours}, "an agent": {repair, drill.ID, writ.ReasonKind},
	} {
		if _, err := w.ctl.RepeatDrill(w.ctx, c.by, c.id); writ.ReasonOf(err) != c.as {
			t.Errorf("%s: %v, want %s", name, err, c.as)
		}
	}
	if w.count(writ.EntryBreakGlassDrill) != 0 {
		t.Fatal("it passed already")
	}
	g, err := w.ctl.RepeatDrill(w.ctx, human("kim"), drill.ID)
	if err != nil || !g.Passed || g.Refusal != writ.ReasonBreakGlassReplayed || w.count(writ.EntryBreakGlassDrill) != 1 || w.count(writ.EntryBreakGlass) != 2 {
		t.Errorf("%+v, %v", g, err)
	}
}

// between calls a hook once, before the next random bytes are read.
type between struct{ hook func() }

func (b *between) Read(p []byte) (int, error) {
	if h := b.hook; h != nil {
		b.hook = nil
		h()
	}
	return rand.Read(p)
}

func TestPitfall23APasskeyThatIsRemovedWhileItsAskIsTakenDoesNotCount(t *testing.T) {
	w, k := passkeyGlass(t)
	begun, err := w.ctl.BeginBreakGlass(w.ctx, human("kim"), w.wish(w.incident("shop").ID))
	must(t, err)
	ask := w.begunAsk(k, begun)
	b := &between{}
	w.ctl.Rand = b
	b.hook = func() { // the ask's id is made between its first check and the transaction that takes it
		if _, err := w.ctl.SetPasskey(w.ctx, human("bob"), writ.PasskeyIDOf(k.ID), writ.PasskeyRemoved, ""); err != nil {
			t.Error(err)
		}
	}
	_, err = w.ctl.AskBreakGlass(w.ctx, human("kim"), ask)
	refused(t, err, writ.ReasonApproverUnknown)
	if b.hook != nil || w.count(writ.EntryBreakGlass) != 0 {
		t.Error("it was not removed meanwhile, or its ask was taken")
	}
}
