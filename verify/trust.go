package verify

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
)

// Trust is what an auditor believes before reading a bundle. It comes from the log's owner by another way than the
// bundle, and is kept under version control. docs/spec/ledger.md describes the file.
type Trust struct {
	V         int        `json:"v"`
	Log       []LogKey   `json:"log"`
	Roots     *Roots     `json:"roots,omitempty"` // who appoint the log's next key
	Actors    []Actor    `json:"actors"`
	Approvers []Approver `json:"approvers,omitempty"`
	Services  []Service  `json:"services,omitempty"`

	Policy *PolicyApprovers `json:"policy,omitempty"` // who approves changes of the policy set
}

// A LogKey signs checkpoints of sizes FromSize to ToSize. ToSize 0 means the key is in use; a closed range keeps a
// retired key from signing a new history.
type LogKey struct {
	VKey     string `json:"vkey"` // "<origin>+<hash>+<base64>"
	FromSize int64  `json:"from_size"`
	ToSize   int64  `json:"to_size,omitempty"`
}

// An Actor is who signs entries, with an Ed25519 key.
type Actor struct {
	Principal writ.Principal `json:"principal"`
	KeyID     string         `json:"keyid"`  // "sha256:" and the hexadecimal hash of the 32 bytes of Public
	Public    []byte         `json:"public"` // base64
	Roles     []Role         `json:"roles"`
}

// A Role says which kinds of entry an actor may sign.
type Role string

// The roles.
const (
	RoleControl Role = "control" // the control plane: everything that no runner signs
	RoleRunner  Role = "runner"  // plan, lease, step, undo, verify, revoke, probe, run
)

// An Approver is a person with their SSH keys and passkeys.
type Approver struct {
	Iss      string        `json:"iss"`
	Sub      string        `json:"sub"`
	Accounts []writ.Person `json:"accounts,omitempty"` // further accounts of the same human
	Keys     []string      `json:"keys,omitempty"`     // authorized_keys lines
	Groups   []string      `json:"groups"`

	Passkeys []writ.Credential `json:"passkeys,omitempty"` // as "writ approver export" prints them
}

// A Service says which group of approvers fills each slot for one service: {"owner": "payments"}. Without it, the
// incident's owner and its "-oncall" group fill the slots owner and oncall, as the log itself says.
type Service struct {
	Name  string            `json:"name"`
	Slots map[string]string `json:"slots"`
}

// ParseTrust takes a trust file, written by hand or by a program; nothing unknown, repeated or misspelt.
func ParseTrust(b []byte) (Trust, error) {
	var t Trust
	if err := canon.ParseLoose(b, &t); err != nil {
		return Trust{}, fmt.Errorf("%w: trust: %w", writ.ErrInvalid, err)
	}
	_, err := t.check()
	return t, err
}

// keys is a checked trust file.
type keys struct {
	origin string
	log    []logKey
	roots  *Roots
	actors map[string]Actor // by key id
	roster approval.Roster
	slots  map[string]map[string]string // service -> slot -> group
	policy *PolicyApprovers
}

type logKey struct {
	LogKey
	v ledger.Verifier
}

func (t Trust) check() (*keys, error) {
	bad := func(format string, args ...any) (*keys, error) {
		return nil, fmt.Errorf("%w: trust: %s", writ.ErrInvalid, fmt.Sprintf(format, args...))
	}
	k := &keys{actors: map[string]Actor{}, slots: map[string]map[string]string{}}
	if t.V != writ.FormatVersion || len(t.Log) == 0 || len(t.Actors) == 0 {
		return bad("v must be 1, and a log key and an actor must be named")
	}
	if err := t.Roots.check(t); err != nil {
		return nil, err
	}
	k.roots = t.Roots
	if k.policy = t.Policy; k.policy != nil && !k.policy.ok() {
		return bad("policy must have a group, a proof of A to D, and %d approvals or more", writ.PolicyChangeApprovals)
	}
	for _, l := range t.Log {
		v, err := ledger.ParseVerifier(l.VKey)
		switch {
		case err != nil:
			return nil, fmt.Errorf("trust: %w", err)
		case k.origin != "" && v.Origin() != k.origin:
			return bad("keys of two logs, %q and %q", k.origin, v.Origin())
		case l.FromSize < 0 || l.ToSize < 0 || l.ToSize > 0 && l.ToSize < l.FromSize:
			return bad("the key %s is valid for no size", l.VKey)
		case slices.ContainsFunc(k.log, func(o logKey) bool { return o.VKey == l.VKey }):
			return bad("the key %s stands twice", l.VKey)
		}
		k.origin, k.log = v.Origin(), append(k.log, logKey{l, v})
	}
	for _, a := range t.Actors {
		_, twice := k.actors[a.KeyID]
		switch {
		case !a.Principal.Valid() || len(a.Roles) == 0:
			return bad("an actor lacks its principal or a role")
		case len(a.Public) != ed25519.PublicKeySize || ledger.KeyID(a.Public) != a.KeyID:
			return bad("the key of %s has another id than %q", a.Principal, writ.Printable(a.KeyID, 80))
		case twice:
			return bad("one key for two actors, %s and %s", k.actors[a.KeyID].Principal, a.Principal)
		case slices.ContainsFunc(a.Roles, func(r Role) bool { return r != RoleControl && r != RoleRunner }):
			return bad("a role is control or runner")
		}
		k.actors[a.KeyID] = a
	}
	for _, p := range t.Approvers {
		k.roster = append(k.roster, approval.Member{Iss: p.Iss, Sub: p.Sub, Accounts: p.Accounts, Keys: p.Keys, Groups: p.Groups, Passkeys: p.Passkeys})
	}
	if err := k.roster.Check(); err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	for _, s := range t.Services {
		if k.slots[s.Name] != nil || s.Name == "" || len(s.Slots) == 0 {
			return bad("the service %q stands twice or has no slots", writ.Printable(s.Name, 80))
		}
		k.slots[s.Name] = s.Slots
	}
	return k, nil
}

// open opens a checkpoint under the key that is valid for its size.
func (k *keys) open(signed []byte) (ledger.Checkpoint, string, error) {
	err := error(nil)
	for _, l := range k.log {
		cp, e := l.v.Open(signed)
		if e != nil {
			err = e
			continue
		}
		if cp.Size < l.FromSize || l.ToSize > 0 && cp.Size > l.ToSize {
			err = fmt.Errorf("%w: the key %s signs sizes %d to %d, not %d", writ.ErrInvalid, l.VKey, l.FromSize, l.ToSize, cp.Size)
			continue
		}
		return cp, l.VKey, nil
	}
	return ledger.Checkpoint{}, "", err
}

// lookup is the key of an actor; nil for strangers.
func (k *keys) lookup(id string) ed25519.PublicKey {
	a, ok := k.actors[id]
	if !ok {
		return nil
	}
	return a.Public
}

// roles says who may sign a kind of entry.
func roles(kind writ.EntryKind) []Role {
	switch kind {
	case writ.EntryPlan, writ.EntryLease, writ.EntryStepIntent, writ.EntryStepEffect, writ.EntryVerify, writ.EntryUndoIntent,
		writ.EntryUndoEffect, writ.EntryRevoke, writ.EntryProbe, writ.EntryRun, writ.EntryReceipt, writ.EntryOrphan, writ.EntryBreakGlassOffline:
		return []Role{RoleRunner}
	case writ.EntryDeny:
		return []Role{RoleControl, RoleRunner}
	}
	return []Role{RoleControl}
}
