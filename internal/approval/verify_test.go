package approval_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// How a key is held decides what its signature proves.
func TestTheLevelOfAProofIsWhatTheKeyItselfSaid(t *testing.T) {
	for name, c := range map[string]struct {
		key  ssh.Signer
		want writ.ProofLevel
		code writ.Reason
	}{
		"touch and PIN":     {hardware(t, 0x05), writ.ProofC, ""},
		"touch without PIN": {hardware(t, 0x01), writ.ProofD, ""},
		"PIN without touch": {hardware(t, 0x04), "", writ.ReasonApprovalSignature},
		"neither":           {hardware(t, 0x00), "", writ.ReasonApprovalSignature},
		"a plain key":       {plain(t), writ.ProofD, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := writ.Person{Iss: alice.Iss, Sub: "u-50"}
			w.enrol(t, p, c.key, "payments")
			a := w.approves(t, p, "owner")
			a.Proof, a.Key = writ.ProofA, "SHA256:claimed" // not believed
			v, err := approval.Verify(a, w.Roster, now)
			if writ.ReasonOf(err) != c.code || v.Proof != c.want {
				t.Errorf("got %q %v, want %q %q", v.Proof, err, c.want, c.code)
			}
			if err == nil && v.Key != ssh.FingerprintSHA256(c.key.PublicKey()) {
				t.Errorf("key %s", v.Key)
			}
		})
	}
}

func TestI02ASignatureMadeForAnythingElseIsRefused(t *testing.T) {
	w := newWorld(t)
	good := w.approves(t, alice, "owner")
	if _, err := approval.Verify(good, w.Roster, now); err != nil {
		t.Fatalf("the control case: %v", err)
	}
	as := func(namespace string, h sshsig.HashAlgorithm) string {
		sig, err := sshsig.Sign(bytes.NewReader(good.Statement), w.keys[alice], h, namespace)
		must(t, err)
		return string(sshsig.Armor(sig))
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	rsaSigner, err := ssh.NewSignerFromKey(rsaKey)
	must(t, err)
	byRSA, err := sshsig.Sign(bytes.NewReader(good.Statement), rsaSigner, sshsig.HashSHA512, approval.Namespace)
	must(t, err)
	sha1 := *byRSA
	sha1.Signature, err = rsaSigner.Sign(rand.Reader, []byte("x"))
	must(t, err)
	longer, err := sshsig.Unarmor([]byte(good.Signature))
	must(t, err)
	longer.Signature.Rest = []byte{0x05, 0, 0, 0, 1}
	sha256 := writ.Approval{Statement: good.Statement, Signature: as(approval.Namespace, sshsig.HashSHA256)}
	if _, err := approval.Verify(sha256, w.Roster, now); err != nil {
		t.Errorf("sha256 is allowed too: %v", err)
	}
	if sig, err := approval.Sign(good.Statement, rsaSigner, rand.Reader); err == nil {
		t.Errorf("an RSA key signed: %s", sig)
	}
	for name, sig := range map[string]string{
		"nothing":               "",
		"text":                  "approved!",
		"namespace file":        as("file", sshsig.HashSHA512),
		"namespace git":         as("git", sshsig.HashSHA512),
		"a longer namespace":    as(approval.Namespace+".evil", sshsig.HashSHA512),
		"an RSA key":            string(sshsig.Armor(byRSA)),
		"an RSA key with SHA-1": string(sshsig.Armor(&sha1)),
		"flags on a plain key":  string(sshsig.Armor(longer)),
		"of another statement":  w.approves(t, alice, "owner").Signature,
		"two signatures":        good.Signature + good.Signature,
		"text before":           "x\n" + good.Signature,
		"text after":            good.Signature + "x",
		"a reserved field":      reserved(t, good.Signature),
		"another PEM type":      strings.ReplaceAll(good.Signature, "SSH SIGNATURE", "PGP SIGNATURE"),
		"PEM headers":           strings.Replace(good.Signature, "SIGNATURE-----\n", "SIGNATURE-----\nA: b\n\n", 1),
		"too long":              good.Signature + strings.Repeat("\n", 9<<10),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := approval.Verify(writ.Approval{Statement: good.Statement, Signature: sig}, w.Roster, now)
			wantReason(t, err, writ.ReasonApprovalSignature)
		})
	}
}

// reserved returns the signature with four bytes in the field that PROTOCOL.sshsig reserves; nothing signs that field.
func reserved(t testing.TB, armored string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(armored))
	var b struct {
		Magic                               [6]byte
		Version                             uint32
		Key, Namespace, Reserved, Hash, Sig string
	}
	must(t, ssh.Unmarshal(block.Bytes, &b))
	b.Reserved = "evil"
	return string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: ssh.Marshal(b)}))
}

func TestI02AnAnswerNeedsAKeyOfThatVeryPerson(t *testing.T) {
	w := newWorld(t)
	stranger := writ.Person{Iss: "https://idp.example.com", Sub: "u-404"}
	elsewhere := writ.Person{Iss: "https://other.example.com", Sub: alice.Sub}
	for name, c := range map[string]struct {
		person writ.Person
		key    ssh.Signer
	}{
		"somebody unknown":                  {stranger, plain(t)},
		"somebody unknown with a known key": {stranger, w.keys[alice]},
		"alice with an unknown key":         {alice, plain(t)},
		"alice with bob's key":              {alice, w.keys[bob]},
		"the same sub from another issuer":  {elsewhere, w.keys[alice]},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := approval.New(w.Plan, w.Digest, ask(t, c.person, "owner"))
			must(t, err)
			_, err = approval.Verify(sign(t, s, c.key), w.Roster, now)
			wantReason(t, err, writ.ReasonApproverUnknown)
		})
	}
	_, err := approval.Verify(w.approves(t, alice, "owner"), nil, now)
	wantReason(t, err, writ.ReasonApproverUnknown)
}

func TestAnAnswerCountsDuringItsLifeOnly(t *testing.T) {
	w := newWorld(t)
	a := w.approves(t, alice, "owner")
	for after, want := range map[time.Duration]writ.Reason{
		-6 * time.Second:     writ.ReasonApprovalExpired,
		-5 * time.Second:     "",
		0:                    "",
		15*time.Minute - 1:   "",
		15 * time.Minute:     writ.ReasonApprovalExpired,
		100 * 24 * time.Hour: writ.ReasonApprovalExpired,
	} {
		if _, err := approval.Verify(a, w.Roster, now.Add(after)); writ.ReasonOf(err) != want {
			t.Errorf("after %s: %v, want %q", after, err, want)
		}
	}
	_, err := approval.Verify(a, w.Roster, time.Time{})
	wantReason(t, err, writ.ReasonApprovalExpired)
}

func TestAStatementThatIsNotOfTheClosedFormIsRefused(t *testing.T) {
	w := newWorld(t)
	good := string(w.approves(t, alice, "owner").Statement)
	for name, s := range map[string]string{
		"nothing":           "",
		"white space":       good + "\n",
		"an unknown member": strings.Replace(good, `{"_type"`, `{"_a":1,"_type"`, 1),
		"another type":      strings.Replace(good, "approval/v2", "approval/v3", 1),
		"the first form":    strings.Replace(good, "approval/v2", "approval/v1", 1), // which names no tier
		"no tier":           strings.Replace(good, `"tier":"T2",`, "", 1),
		"tier 0":            strings.Replace(good, `"tier":"T2"`, `"tier":"T0"`, 1),
		"another answer":    strings.Replace(good, `"approve"`, `"abstain"`, 1),
		"no slot":           strings.Replace(good, `"slot":"owner"`, `"slot":""`, 1),
		"null":              strings.Replace(good, `"slot":"owner"`, `"slot":null`, 1),
		"a life of a day":   strings.Replace(good, `"exp":"2026-11-22`, `"exp":"2026-11-23`, 1),
		"an endless one":    good + strings.Repeat(" ", 20<<10),
	} {
		_, err := approval.Verify(writ.Approval{Statement: []byte(s)}, w.Roster, now)
		if writ.ReasonOf(err) != writ.ReasonApprovalForm {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	a := w.approves(f, alice, "owner")
	f.Add(a.Statement, a.Signature)
	f.Add([]byte(`{}`), "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----")
	f.Fuzz(func(t *testing.T, statement []byte, signature string) {
		v, err := approval.Verify(writ.Approval{Statement: statement, Signature: signature}, w.Roster, now)
		if err != nil {
			if writ.ReasonOf(err) == "" {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		if !bytes.Equal(statement, a.Statement) || v.Person != alice {
			t.Fatalf("accepted %q for %v", statement, v.Person)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	a := w.approves(b, alice, "owner")
	for b.Loop() {
		if _, err := approval.Verify(a, w.Roster, now); err != nil {
			b.Fatal(err)
		}
	}
}
