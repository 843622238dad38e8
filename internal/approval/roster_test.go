package approval_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

func TestARosterInWhichOneHumanOrKeyCouldCountTwiceIsRefused(t *testing.T) {
	key := line(plain(t))
	member := func(sub string, keys ...string) approval.Member {
		return approval.Member{Iss: alice.Iss, Sub: sub, Groups: []string{"payments"}, Keys: keys}
	}
	good := member("u-1", key)
	must(t, approval.Roster{good}.Check())
	with := func(change func(*approval.Member)) approval.Roster {
		m := good
		change(&m)
		return approval.Roster{m}
	}
	for name, r := range map[string]approval.Roster{
		"one person twice":           {good, member("u-1", line(plain(t)))},
		"one person as an account":   {good, {Iss: alice.Iss, Sub: "u-2", Groups: []string{"a"}, Keys: []string{line(plain(t))}, Accounts: []writ.Person{alice}}},
		"one key of two people":      {good, member("u-2", key)},
		"one key twice":              {member("u-1", key, key)},
		"one key under two comments": {member("u-1", key+" a", key+" b")},
		"no keys":                    {member("u-1")},
		"too many keys":              with(func(m *approval.Member) { m.Keys = lines(t, 9) }),
		"too many groups":            with(func(m *approval.Member) { m.Groups = names(33) }),
		"no issuer":                  with(func(m *approval.Member) { m.Iss = "" }),
		"no groups":                  with(func(m *approval.Member) { m.Groups = nil }),
		"a group that is no name":    with(func(m *approval.Member) { m.Groups = []string{"all *"} }),
		"an account that is nobody":  with(func(m *approval.Member) { m.Accounts = []writ.Person{{}} }),
	} {
		if err := r.Check(); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: want ErrInvalid, got %v", name, err)
		}
	}
}

func lines(t testing.TB, n int) (out []string) {
	for range n {
		out = append(out, line(plain(t)))
	}
	return out
}

func names(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint("group-", i))
	}
	return out
}

func TestARosterIsBounded(t *testing.T) {
	var r approval.Roster
	for i := range approval.MaxMembers {
		r = append(r, approval.Member{Iss: alice.Iss, Sub: fmt.Sprint("u-", i), Groups: []string{"a"}, Keys: []string{line(plain(t))}})
	}
	must(t, r.Check())
	r = append(r, approval.Member{Iss: alice.Iss, Sub: "one too many", Groups: []string{"a"}, Keys: []string{line(plain(t))}})
	if err := r.Check(); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("want ErrInvalid, got %v", err)
	}
}

// No certificates, no RSA, no options.
func TestKeysThatCannotApproveAreRefused(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	rsaPub, err := ssh.NewPublicKey(&rsaKey.PublicKey)
	must(t, err)
	ca := plain(t)
	cert := &ssh.Certificate{Key: plain(t).PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	must(t, cert.SignCert(rand.Reader, ca))
	good := line(plain(t))
	for name, in := range map[string]string{
		"nothing":       "",
		"text":          "hello",
		"RSA":           string(ssh.MarshalAuthorizedKey(rsaPub)),
		"a certificate": string(ssh.MarshalAuthorizedKey(cert)),
		"options":       `command="true" ` + good,
		"an authority":  "cert-authority " + good,
		"two lines":     good + "\n" + good,
		"a comment":     "# " + good,
		"a long line":   good + strings.Repeat(" x", 1024),
	} {
		if key, err := approval.ParseKey(strings.TrimSpace(in)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: want ErrInvalid, got %v %v", name, key, err)
		}
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	pub, err := ssh.NewPublicKey(&p256.PublicKey)
	must(t, err)
	for name, in := range map[string]string{"ed25519": good, "a security key": line(hardware(t, 5)), "ecdsa": string(ssh.MarshalAuthorizedKey(pub))} {
		if _, err := approval.ParseKey(strings.TrimSpace(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(line(plain(f)))
	f.Add(line(hardware(f, 5)))
	f.Add(`command="x" ssh-ed25519 AAAA`)
	f.Fuzz(func(t *testing.T, s string) {
		key, err := approval.ParseKey(s)
		if err != nil {
			return
		}
		again, err := approval.ParseKey(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
		if err != nil || string(again.Marshal()) != string(key.Marshal()) {
			t.Fatalf("%q does not survive: %v", s, err)
		}
	})
}
