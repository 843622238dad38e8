package approval_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

const (
	approveOrigin = "https://approve.writ.example"
	approveRP     = "approve.writ.example"
	es256, eddsa  = -7, -8
	rs256         = -257
)

// long is when the passkeys of these tests were confirmed.
var long = now.Add(-24 * time.Hour)

// passkey enrols somebody with a passkey alone.
func (w *world) passkey(t testing.TB, sub string, k *softkey.Key, level writ.ProofLevel, groups ...string) writ.Person {
	t.Helper()
	p := writ.Person{Iss: alice.Iss, Sub: sub}
	w.Roster = append(w.Roster, approval.Member{Iss: p.Iss, Sub: p.Sub, Groups: groups, Passkeys: []writ.Credential{k.Credential(level, long)}})
	must(t, w.Roster.Check())
	return p
}

// asserts lets a passkey answer.
func (w *world) asserts(t testing.TB, a approval.Ask, k *softkey.Key) writ.Approval {
	t.Helper()
	s, err := approval.New(w.Plan, w.Digest, a)
	must(t, err)
	b, err := s.Bytes()
	must(t, err)
	return writ.Approval{Statement: b, Passkey: k.Get(t, approval.Challenge(b))}
}

// device is a passkey that stays on its device, of a model with a name.
func device(t testing.TB, algorithm int) *softkey.Key {
	k := softkey.New(t, algorithm, approveOrigin, approveRP)
	k.AAGUID = [16]byte{1, 2, 3}
	return k
}

func TestTheLevelOfAPasskeyIsWhatWasAttestedAndWhereItStays(t *testing.T) {
	for name, c := range map[string]struct {
		algorithm int
		flags     byte
		enrolled  writ.ProofLevel
		want      writ.ProofLevel
	}{
		"attested, on its device":       {es256, 0, writ.ProofA, writ.ProofA},
		"attested, Ed25519":             {eddsa, 0, writ.ProofA, writ.ProofA},
		"attested, RSA":                 {rs256, 0, writ.ProofA, writ.ProofA},
		"on its device, not attested":   {es256, 0, writ.ProofB, writ.ProofB},
		"synced":                        {es256, softkey.Eligible | softkey.BackedUp, writ.ProofB, writ.ProofB},
		"may be synced, but is not yet": {eddsa, softkey.Eligible, writ.ProofB, writ.ProofB},
	} {
		t.Run(name, func(t *testing.T) {
			w, k := newWorld(t), device(t, c.algorithm)
			k.Flags |= c.flags
			p := w.passkey(t, "u-70", k, c.enrolled, "payments")
			a := w.asserts(t, ask(t, p, "owner"), k)
			a.Proof, a.Key = writ.ProofA, "SHA256:claimed" // not believed
			v, err := approval.Verify(a, w.Roster, now)
			if err != nil || v.Proof != c.want || v.Person != p || v.Key != approval.Fingerprint(k.COSE) || !bytes.Equal(v.Passkey, k.ID) {
				t.Errorf("%+v %v", v, err)
			}
			if _, err := approval.Count(w.Question, []writ.Approval{a}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPitfall19AnAssertionMadeOtherwiseIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*softkey.Key)
		want   writ.Reason
	}{
		"the control case":                  {func(*softkey.Key) {}, ""},
		"a member that browsers may add":    {func(k *softkey.Key) { k.Extra = `,"other_keys_can_be_added_here":"yes"` }, ""},
		"its user was not verified":         {func(k *softkey.Key) { k.Flags &^= softkey.Verified }, writ.ReasonApprovalSignature},
		"nobody was present":                {func(k *softkey.Key) { k.Flags &^= softkey.Present }, writ.ReasonApprovalSignature},
		"a foreign rpId":                    {func(k *softkey.Key) { k.RP = "writ.example" }, writ.ReasonApprovalSignature},
		"the login's origin":                {func(k *softkey.Key) { k.Origin = "https://writ.example" }, writ.ReasonApprovalSignature},
		"an origin with another port":       {func(k *softkey.Key) { k.Origin += ":8443" }, writ.ReasonApprovalSignature},
		"an origin that begins like it":     {func(k *softkey.Key) { k.Origin += ".evil.example" }, writ.ReasonApprovalSignature},
		"a page of another site":            {func(k *softkey.Key) { k.Extra = `,"topOrigin":"https://evil.example"` }, writ.ReasonApprovalSignature},
		"a second crossOrigin":              {func(k *softkey.Key) { k.Extra = `,"crossOrigin":true` }, writ.ReasonApprovalSignature},
		"a second origin":                   {func(k *softkey.Key) { k.Extra = `,"origin":"https://evil.example"` }, writ.ReasonApprovalSignature},
		"synced since":                      {func(k *softkey.Key) { k.Flags |= softkey.Eligible | softkey.BackedUp }, writ.ReasonApprovalSignature},
		"backed up though it cannot be":     {func(k *softkey.Key) { k.Flags |= softkey.BackedUp }, writ.ReasonApprovalSignature},
		"extensions that nobody asked for":  {func(k *softkey.Key) { k.Flags |= 0x80 }, writ.ReasonApprovalSignature},
		"attested data in an assertion":     {func(k *softkey.Key) { k.Flags |= 0x40 }, writ.ReasonApprovalSignature},
		"a reserved flag":                   {func(k *softkey.Key) { k.Flags |= 0x02 }, writ.ReasonApprovalSignature},
		"a counter below the one enrolled":  {func(k *softkey.Key) { k.Counter = 6 }, writ.ReasonApprovalCloned},
		"the counter that it had":           {func(k *softkey.Key) { k.Counter = 7 }, writ.ReasonApprovalCloned},
		"no counter though it had one":      {func(k *softkey.Key) { k.Counter = 0 }, writ.ReasonApprovalCloned},
		"a passkey that is not on the list": {func(k *softkey.Key) { k.ID = []byte("another passkey") }, writ.ReasonApproverUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			w, k := newWorld(t), device(t, es256)
			p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
			w.Roster[len(w.Roster)-1].Passkeys[0].Counter = 7
			k.Counter = 8
			c.change(k)
			_, err := approval.Verify(w.asserts(t, ask(t, p, "owner"), k), w.Roster, now)
			if writ.ReasonOf(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestPitfall19CrossOriginIsRefused(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	a := w.asserts(t, ask(t, p, "owner"), k)
	framed := bytes.Replace(a.Passkey.ClientData, []byte(`"crossOrigin":false`), []byte(`"crossOrigin":true`), 1)
	a.Passkey = k.Sign(t, a.Passkey.AuthenticatorData, framed)
	_, err := approval.Verify(a, w.Roster, now)
	wantReason(t, err, writ.ReasonApprovalSignature)
}

func TestPitfall20ALoginOrEnrolmentIsNoApproval(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	good := w.asserts(t, ask(t, p, "owner"), k)
	sum := writ.DigestOf(good.Statement)
	for name, made := range map[string]*writ.Assertion{
		"a challenge that a login made up":         k.Get(t, []byte("0123456789abcdef0123456789abcdef")),
		"the statement's plain digest":             k.Get(t, sum.Bytes()),
		"the statement itself":                     k.Get(t, good.Statement),
		"the ceremony that makes a passkey":        k.Sign(t, good.Passkey.AuthenticatorData, k.ClientData("webauthn.create", approval.Challenge(good.Statement))),
		"a payment":                                k.Sign(t, good.Passkey.AuthenticatorData, k.ClientData("payment.get", approval.Challenge(good.Statement))),
		"a type of other case":                     k.Sign(t, good.Passkey.AuthenticatorData, bytes.Replace(good.Passkey.ClientData, []byte(`"type"`), []byte(`"Type"`), 1)),
		"no client data":                           k.Sign(t, good.Passkey.AuthenticatorData, nil),
		"client data without end":                  k.Sign(t, good.Passkey.AuthenticatorData, append(slices.Clone(good.Passkey.ClientData), bytes.Repeat([]byte(" "), 3000)...)),
		"authenticator data with something behind": k.Sign(t, append(slices.Clone(good.Passkey.AuthenticatorData), 0), good.Passkey.ClientData),
	} {
		_, err := approval.Verify(writ.Approval{Statement: good.Statement, Passkey: made}, w.Roster, now)
		if writ.ReasonOf(err) != writ.ReasonApprovalSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPitfall18APasskeysAnswerIsForOnePlanOnly(t *testing.T) {
	for name, change := range map[string]func(*world){
		"another plan": func(w *world) {
			w.replan(t, func(p *writ.Plan) {
				p.ID = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC"
				p.Steps[0].Key = string(p.ID) + ".1"
			})
		},
		"another runner":    func(w *world) { w.replan(t, func(p *writ.Plan) { p.Runner += "2" }) },
		"another requester": func(w *world) { w.replan(t, func(p *writ.Plan) { p.Requester.Sub += "2" }) },
		"an edit":           func(w *world) { w.replan(t, func(p *writ.Plan) { p.Steps[0].Diff[0].After += " " }) },
		"another policy":    func(w *world) { w.Policy = writ.DigestOf([]byte("other")) },
	} {
		w, k := newWorld(t), device(t, es256)
		p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
		a := w.asserts(t, ask(t, p, "owner"), k)
		change(w)
		if _, err := approval.Count(w.Question, []writ.Approval{a}); writ.ReasonOf(err) != writ.ReasonApprovalMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	a, b := w.asserts(t, ask(t, p, "owner"), k), w.asserts(t, ask(t, p, "owner"), k)
	a.Statement = b.Statement
	_, err := approval.Verify(a, w.Roster, now)
	wantReason(t, err, writ.ReasonApprovalSignature)
	w.Now = now.Add(time.Hour)
	_, err = approval.Count(w.Question, []writ.Approval{b})
	wantReason(t, err, writ.ReasonApprovalExpired)
}

func TestPitfall22TwoPasskeysOrAPasskeyAndAnSSHKeyOfOnePersonFillOneSlot(t *testing.T) {
	w, first, second := newWorld(t), device(t, es256), device(t, eddsa)
	second.AAGUID = [16]byte{}
	w.Roster[1].Passkeys = []writ.Credential{first.Credential(writ.ProofA, long), second.Credential(writ.ProofB, long)}
	must(t, w.Roster.Check())
	one, two, ssh := w.asserts(t, ask(t, bob, "owner"), first), w.asserts(t, ask(t, bob, "oncall"), second), w.approves(t, bob, "oncall")
	for name, as := range map[string][]writ.Approval{"two passkeys": {two, one}, "a passkey and an SSH key": {ssh, one}} {
		if _, err := approval.Count(w.Question, as); writ.ReasonOf(err) != writ.ReasonApproverConflict {
			t.Errorf("%s: %v", name, err)
		}
		usable, dropped := approval.Usable(w.Question, as)
		if tally, err := approval.Count(w.Question, usable); err != nil || tally.People != 1 || tally.Proof != writ.ProofA || len(dropped) != 1 {
			t.Errorf("%s: %+v %v, dropped %v: the strongest is kept", name, tally, err, dropped)
		}
	}
	k := device(t, es256)
	w.Roster[3].Passkeys = []writ.Credential{k.Credential(writ.ProofA, long)}
	_, err := approval.Count(w.Question, []writ.Approval{w.asserts(t, ask(t, owner, "owner"), k)})
	wantReason(t, err, writ.ReasonApproverConflict)
}

func TestPitfall23APasskeyThatWasRemovedNoLongerCounts(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	as := []writ.Approval{w.asserts(t, ask(t, p, "owner"), k)}
	if _, err := approval.Count(w.Question, as); err != nil {
		t.Fatal(err)
	}
	w.Roster[len(w.Roster)-1].Passkeys = nil
	_, err := approval.Count(w.Question, as)
	wantReason(t, err, writ.ReasonApproverUnknown)
	if usable, dropped := approval.Usable(w.Question, as); len(usable) != 0 || len(dropped) != 1 {
		t.Errorf("%v %v", usable, dropped)
	}
}

func TestPitfall24AtLevelCAPlainKeyOrOneWithoutTouchOrPINIsNotEnough(t *testing.T) {
	need := writ.Requirements{Approvals: map[string]int{"owner": 1}, Proof: writ.ProofC}
	w := newWorld(t)
	for sub, flags := range map[string]byte{"u-80": 0x05, "u-81": 0x01, "u-82": 0x04} {
		p := writ.Person{Iss: alice.Iss, Sub: sub}
		w.enrol(t, p, hardware(t, flags), "payments")
		tally, err := approval.Count(w.Question, []writ.Approval{w.approves(t, p, "owner")})
		if err == nil {
			err = tally.Meets(need)
		}
		if (err == nil) != (flags == 0x05) {
			t.Errorf("flags %#x: %v", flags, err)
		}
	}
	tally, err := approval.Count(w.Question, []writ.Approval{w.approves(t, alice, "owner")})
	must(t, err)
	wantReason(t, tally.Meets(need), writ.ReasonApprovalProof)
}

func TestPitfall25APasskeyEnrolledAfterThePlanCannotAnswerIt(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	a := w.asserts(t, ask(t, p, "owner"), k)
	m := &w.Roster[len(w.Roster)-1]
	for _, c := range []struct {
		member, key time.Time
		want        writ.Reason
	}{
		{time.Time{}, w.Plan.MadeAt, ""},
		{time.Time{}, w.Plan.MadeAt.Add(1), writ.ReasonApproverUnknown},
		{w.Plan.MadeAt.Add(1), w.Plan.MadeAt, writ.ReasonApproverUnknown},
	} {
		m.Since, m.Passkeys[0].Since = c.member, c.key
		if _, err := approval.Count(w.Question, []writ.Approval{a}); writ.ReasonOf(err) != c.want {
			t.Errorf("member since %s, passkey since %s: %v", c.member, c.key, err)
		}
	}
}

func TestAPasskeyIsOfOnePerson(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	w.passkey(t, "u-70", k, writ.ProofA, "payments")
	_, err := approval.Verify(w.asserts(t, ask(t, alice, "owner"), k), w.Roster, now)
	wantReason(t, err, writ.ReasonApproverUnknown)
}

func TestAnAnswerHasOneProof(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	w.Roster[0].Passkeys = []writ.Credential{k.Credential(writ.ProofA, long)}
	a := w.approves(t, alice, "owner")
	a.Passkey = k.Get(t, approval.Challenge(a.Statement))
	_, err := approval.Verify(a, w.Roster, now)
	wantReason(t, err, writ.ReasonApprovalForm)
}

func TestOneAlteredBitOfAnAssertionIsRefused(t *testing.T) {
	for _, algorithm := range []int{es256, eddsa} {
		w, k := newWorld(t), device(t, algorithm)
		p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
		a := w.asserts(t, ask(t, p, "owner"), k)
		if _, err := approval.Verify(a, w.Roster, now); err != nil {
			t.Fatal(err)
		}
		for what, b := range map[string][]byte{
			"statement": a.Statement, "credential": a.Passkey.Credential, "authenticator data": a.Passkey.AuthenticatorData,
			"client data": a.Passkey.ClientData, "signature": a.Passkey.Signature, "key": w.Roster[len(w.Roster)-1].Passkeys[0].Key,
		} {
			for i := range 8 * len(b) {
				b[i/8] ^= 1 << (i % 8)
				if _, err := approval.Verify(a, w.Roster, now); err == nil {
					t.Fatalf("algorithm %d: bit %d of the %s", algorithm, i, what)
				}
				b[i/8] ^= 1 << (i % 8)
			}
		}
	}
}

func TestTheDigestOfAnApprovalNamesItsProof(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	a := w.asserts(t, ask(t, p, "owner"), k)
	first, err := a.Digest()
	must(t, err)
	a.Passkey = k.Get(t, approval.Challenge(a.Statement)) // ES256 signs differently each time
	second, err := a.Digest()
	must(t, err)
	if first.Equal(second) {
		t.Error("two assertions have one digest")
	}
}

func TestARosterTakesNoPasskeyThatClaimsTooMuch(t *testing.T) {
	for name, change := range map[string]func(*writ.Credential){
		"no id":                     func(c *writ.Credential) { c.ID = nil },
		"an endless id":             func(c *writ.Credential) { c.ID = make([]byte, 1024) },
		"no key":                    func(c *writ.Credential) { c.Key = nil },
		"a point off the curve":     func(c *writ.Credential) { c.Key[20] ^= 1 },
		"something after the key":   func(c *writ.Credential) { c.Key = append(c.Key, 0) },
		"no model":                  func(c *writ.Credential) { c.AAGUID = "" },
		"a model in upper case":     func(c *writ.Credential) { c.AAGUID = strings.ToUpper("abcdef00-0000-0000-0000-000000000000") },
		"level C":                   func(c *writ.Credential) { c.Level = writ.ProofC },
		"level A though synced":     func(c *writ.Credential) { c.Synced = true },
		"level A without a model":   func(c *writ.Credential) { c.AAGUID = "00000000-0000-0000-0000-000000000000" },
		"a counter below 0":         func(c *writ.Credential) { c.Counter = -1 },
		"no time":                   func(c *writ.Credential) { c.Since = time.Time{} },
		"a wider rpId":              func(c *writ.Credential) { c.RP = "writ.example" },
		"plain http":                func(c *writ.Credential) { c.Origin = "http://" + approveRP },
		"a path":                    func(c *writ.Credential) { c.Origin += "/" },
		"an origin in upper case":   func(c *writ.Credential) { c.Origin, c.RP = "https://Approve.example", "Approve.example" },
		"an address":                func(c *writ.Credential) { c.Origin, c.RP = "https://127.0.0.1", "127.0.0.1" },
		"the usual port written":    func(c *writ.Credential) { c.Origin += ":443" },
		"a name and a password":     func(c *writ.Credential) { c.Origin = "https://a:b@" + approveRP },
		"no origin":                 func(c *writ.Credential) { c.Origin = "" },
		"an origin without a host":  func(c *writ.Credential) { c.Origin, c.RP = "https://:8443", "" },
		"a query instead of a path": func(c *writ.Credential) { c.Origin += "?" },
	} {
		w, k := newWorld(t), device(t, es256)
		c := k.Credential(writ.ProofA, long)
		w.Roster[0].Passkeys = []writ.Credential{c}
		must(t, w.Roster.Check())
		change(&w.Roster[0].Passkeys[0])
		if err := w.Roster.Check(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	w, k := newWorld(t), device(t, es256)
	c := k.Credential(writ.ProofA, long)
	again := c
	again.ID = []byte("another id")
	for name, twice := range map[string][2][]writ.Credential{
		"one person, one passkey twice": {{c, c}, nil}, "one key under two ids": {{c, again}, nil}, "two people": {{c}, {c}},
		"nine passkeys": {slices.Repeat([]writ.Credential{c}, 9), nil},
	} {
		w.Roster[0].Passkeys, w.Roster[1].Passkeys = twice[0], twice[1]
		if err := w.Roster.Check(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	w.Roster[0] = approval.Member{Iss: alice.Iss, Sub: alice.Sub, Groups: []string{"payments"}}
	w.Roster[1].Passkeys = nil
	if w.Roster.Check() == nil || w.Roster.CheckOpen() != nil {
		t.Error("only a roster that passkeys are enrolled on has members without a key")
	}
	must(t, approval.CheckOrigin("http://localhost:8423", "localhost"))
}

func FuzzAssertion(f *testing.F) {
	w, k := newWorld(f), device(f, es256)
	p := w.passkey(f, "u-70", k, writ.ProofA, "payments")
	a := w.asserts(f, ask(f, p, "owner"), k)
	f.Add(a.Passkey.AuthenticatorData, a.Passkey.ClientData, a.Passkey.Signature)
	f.Add([]byte{}, []byte(`{"type":"webauthn.get"}`), []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, auth, client, sig []byte) {
		v, err := approval.Verify(writ.Approval{Statement: a.Statement, Passkey: &writ.Assertion{
			Credential: k.ID, AuthenticatorData: auth, ClientData: client, Signature: sig}}, w.Roster, now)
		if err != nil {
			if writ.ReasonOf(err) == "" {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		if !bytes.Equal(auth, a.Passkey.AuthenticatorData) || !bytes.Equal(client, a.Passkey.ClientData) {
			t.Fatalf("accepted %x %q: %+v", auth, client, v)
		}
	})
}

func FuzzParseCOSE(f *testing.F) {
	for _, algorithm := range []int{es256, eddsa, rs256} {
		f.Add(device(f, algorithm).COSE)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := approval.ParseCOSE(b); err == nil && len(b) != 77 && len(b) != 42 && len(b) != 272 {
			t.Fatalf("took %x", b)
		}
	})
}

func BenchmarkVerifyPasskey(b *testing.B) {
	for name, algorithm := range map[string]int{"ES256": es256, "EdDSA": eddsa, "RS256": rs256} {
		b.Run(name, func(b *testing.B) {
			w, k := newWorld(b), device(b, algorithm)
			p := w.passkey(b, "u-70", k, writ.ProofA, "payments")
			a := w.asserts(b, ask(b, p, "owner"), k)
			for b.Loop() {
				if _, err := approval.Verify(a, w.Roster, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
