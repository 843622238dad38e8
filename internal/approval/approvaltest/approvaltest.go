// Package approvaltest has security keys in software, for tests: they sign as FIDO hardware does, with the flags that the
// test chooses.
package approvaltest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Flags of a signature: what the key itself says of the person in front of it.
const (
	Touched  byte = 0x01
	Verified byte = 0x04 // by PIN
)

// application is what OpenSSH names its keys' use.
const application = "ssh:"

// A Key is an sk-ssh-ed25519 key. It is an ssh.Signer.
type Key struct {
	private ed25519.PrivateKey
	public  ssh.PublicKey
	flags   byte
}

// NewKey makes a key whose signatures bear these flags.
func NewKey(rand io.Reader, flags byte) (*Key, error) {
	public, private, err := ed25519.GenerateKey(rand)
	if err != nil {
		return nil, err
	}
	pub, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, application}))
	if err != nil {
		return nil, fmt.Errorf("approvaltest: %w", err)
	}
	return &Key{private, pub, flags}, nil
}

// PublicKey implements ssh.Signer.
func (k *Key) PublicKey() ssh.PublicKey { return k.public }

// Line returns the key as a line of authorized_keys.
func (k *Key) Line() string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.public))) }

// Sign implements ssh.Signer, in the form of PROTOCOL.u2f.
func (k *Key) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	rest := binary.BigEndian.AppendUint32([]byte{k.flags}, 7)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.private, slices.Concat(app[:], rest, message[:])), Rest: rest}, nil
}
