package approval

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
)

// A Member is one human who may answer. One human is one Member, whatever the number of accounts and keys: the second
// answer of a Member never counts.
type Member struct {
	Iss      string        `json:"iss"`
	Sub      string        `json:"sub"`
	Accounts []writ.Person `json:"accounts,omitempty"` // further accounts of the same human
	Groups   []string      `json:"groups"`
	Keys     []string      `json:"keys,omitempty"` // authorized_keys lines, without options
	Since    time.Time     `json:"since,omitzero"` // last change of Keys: plans made before it are not theirs to approve

	Passkeys []writ.Credential `json:"passkeys,omitempty"` // each has a Since of its own
}

// Person returns the member's first account.
func (m Member) Person() writ.Person { return writ.Person{Iss: m.Iss, Sub: m.Sub} }

// A Roster lists everybody whose answers count. The zero Roster lists nobody.
type Roster []Member

// Limits of a roster, so that a check of one approval stays below a millisecond.
const (
	MaxMembers = 500
	maxKeys    = 8
	maxGroups  = 32
	maxKeyLine = 1024

	MaxPasskeys = 8
)

// Check refuses a roster in which a person or a key stands twice, a key cannot approve, or a member is incomplete.
func (r Roster) Check() error { return r.check(1) }

// CheckOpen is Check for a roster whose members may enrol passkeys later, and need no key until then.
func (r Roster) CheckOpen() error { return r.check(0) }

func (r Roster) check(least int) error {
	if len(r) > MaxMembers {
		return fmt.Errorf("%w: roster: more than %d members", writ.ErrInvalid, MaxMembers)
	}
	people, keys := map[writ.Person]bool{}, map[string]bool{}
	for _, m := range r {
		bad := func(what string) error {
			return fmt.Errorf("%w: roster: %s: %s", writ.ErrInvalid, writ.Printable(m.Sub, 80), what)
		}
		for _, p := range m.people() {
			if !p.Principal().Valid() {
				return bad("an account lacks iss or sub")
			}
			if people[p] {
				return bad("the account stands twice")
			}
			people[p] = true
		}
		switch {
		case len(m.Keys)+len(m.Passkeys) < least || len(m.Keys) > maxKeys || len(m.Passkeys) > MaxPasskeys:
			return bad(fmt.Sprintf("a member has %d to %d keys, and at most %d passkeys", least, maxKeys, MaxPasskeys))
		case len(m.Groups) == 0 || len(m.Groups) > maxGroups:
			return bad(fmt.Sprintf("a member has 1 to %d groups", maxGroups))
		}
		for _, g := range m.Groups {
			if !writ.IsName(g) {
				return bad("a group's name is not a plain name")
			}
		}
		for _, line := range m.Keys {
			k, err := ParseKey(line)
			if err != nil {
				return bad(err.Error())
			}
			if keys[string(k.Marshal())] {
				return bad("a key stands twice")
			}
			keys[string(k.Marshal())] = true
		}
		for _, c := range m.Passkeys {
			if err := CheckCredential(c); err != nil {
				return bad(err.Error())
			}
			if keys[string(c.Key)] || keys["id "+string(c.ID)] {
				return bad("a passkey stands twice")
			}
			keys[string(c.Key)], keys["id "+string(c.ID)] = true, true
		}
	}
	return nil
}

// find returns the index of the member that has this account.
func (r Roster) find(p writ.Person) (int, bool) {
	i := slices.IndexFunc(r, func(m Member) bool { return slices.Contains(m.people(), p) })
	return i, i >= 0 && p.Principal().Valid()
}

// holds reports whether the key is one of the member's.
func (m Member) holds(key ssh.PublicKey) bool {
	return slices.ContainsFunc(m.Keys, func(line string) bool {
		k, err := ParseKey(line)
		return err == nil && bytes.Equal(k.Marshal(), key.Marshal())
	})
}

func (m Member) people() []writ.Person { return append([]writ.Person{m.Person()}, m.Accounts...) }

// ParseKey reads one authorized_keys line. It refuses options, certificates, and kinds of key that cannot approve.
func ParseKey(line string) (ssh.PublicKey, error) {
	if len(line) > maxKeyLine || strings.ContainsAny(line, "\r\n") {
		return nil, fmt.Errorf("%w: a key is one authorized_keys line", writ.ErrInvalid)
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(rest) != 0 {
		return nil, fmt.Errorf("%w: a key is one authorized_keys line", writ.ErrInvalid)
	}
	if len(options) != 0 {
		return nil, fmt.Errorf("%w: a key on the roster has no options", writ.ErrInvalid)
	}
	if kindOf(key) == kindNone {
		return nil, fmt.Errorf("%w: a key of type %s cannot approve; use sk-ssh-ed25519 or sk-ecdsa", writ.ErrInvalid, writ.Printable(key.Type(), 40))
	}
	return key, nil
}

type keyKind int

const (
	kindNone     keyKind = iota
	kindPlain            // a key in a file or an agent
	kindHardware         // FIDO: each signature says whether it was touched and whether its user was verified
)

// kindOf is closed: RSA is out because its old signatures use SHA-1, certificates because nobody would pin their issuer.
func kindOf(key ssh.PublicKey) keyKind {
	switch key.Type() {
	case ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return kindHardware
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return kindPlain
	}
	return kindNone
}
