package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
)

// MaxSealed bounds the content that is kept as ciphertext beside the ledger: every reading, at most 64 KiB, and no more, since
// the commit that carries it is everybody's.
const MaxSealed = 64 << 10

// A Sealed is content on its way into the store. The zero Sealed is none.
type Sealed struct {
	Commitment writ.Commitment
	name       string
	class      string
	size       int
	key        string // which of the keys
	box        []byte // nil when the content is durable already
}

// SealBlob prepares content for the transaction whose entry commits to it: give what it returns to Tx.PutBlob there, so that
// entry and content become durable by one commit, or not at all. The content is encrypted under a key of its own, which is
// durable in the database of blobs before SealBlob returns and is never used for anything else, so that destroying the key
// there erases the content from the state database and from all its backups. Content of more than MaxSealed bytes goes into the
// database of blobs at once, as by PutBlob.
func (s *Store) SealBlob(ctx context.Context, name, class string, content []byte) (Sealed, error) {
	if len(content) > MaxSealed {
		c, err := s.PutBlob(ctx, name, class, content)
		return Sealed{Commitment: c}, err
	}
	salt, commitment, err := s.commitTo(name, class, content)
	if err != nil {
		return Sealed{}, err
	}
	key, err := s.keys.take(ctx, s)
	if err != nil {
		return Sealed{}, fmt.Errorf("blob: %w", err)
	}
	aead, err := key.aead()
	if err != nil {
		return Sealed{}, err
	}
	plain := append(salt[:len(salt):len(salt)], content...)
	box := aead.Seal(nil, nonceOfOne[:], plain, bound(commitment, name))
	return Sealed{Commitment: commitment, name: name, class: class, size: len(content), key: key.id, box: box}, nil
}

// PutBlob keeps what SealBlob has prepared. It returns ErrConflict when it has been kept already.
func (tx *Tx) PutBlob(b Sealed) error {
	if err := tx.alive(); err != nil {
		return err
	}
	switch {
	case tx.w == nil:
		return errReadOnly
	case b.box == nil:
		return nil
	}
	n, err := tx.exec("INSERT INTO sealed (commitment, name, class, size, made, keyid, box) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		b.Commitment.String(), b.name, b.class, b.size, tx.w.now().UnixMilli(), b.key, b.box)
	if err == nil && n == 0 {
		err = errExists
	}
	if err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	return nil
}

// unseal is Blob for content that the state database keeps.
func (s *Store) unseal(ctx context.Context, c writ.Commitment) (content []byte, salt [writ.SaltSize]byte, name string, err error) {
	id, name, box, err := s.sealed(ctx, c)
	if err != nil {
		return nil, salt, "", err
	}
	if len(box) == 0 {
		return nil, salt, "", fmt.Errorf("%w: blob %s has been erased", writ.ErrNotFound, c)
	}
	key := blobKey{id: id}
	err = s.blobs.db.QueryRowContext(ctx, s.blobs.text("SELECT key FROM blobkey WHERE id = ?"), id).Scan(&key.key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, salt, "", fmt.Errorf("%w: blob %s has lost its key: it was erased, or the database of blobs is an older copy", writ.ErrNotFound, c)
	case err != nil:
		return nil, salt, "", fmt.Errorf("blob: %w", s.blobs.kind(err))
	}
	aead, err := key.aead()
	if err != nil {
		return nil, salt, "", err
	}
	plain, err := aead.Open(nil, nonceOfOne[:], box, bound(c, name))
	if err != nil || len(plain) < len(salt) {
		return nil, salt, "", notCommitted(c)
	}
	return plain[len(salt):], [writ.SaltSize]byte(plain), name, nil
}

// sealed returns what the state database holds of a commitment, or ErrNotFound.
func (s *Store) sealed(ctx context.Context, c writ.Commitment) (key, name string, box []byte, err error) {
	err = s.readers.with(ctx, func(r conn) error {
		return r.query("SELECT keyid, name, box FROM sealed WHERE commitment = ?", func(r row) error { return r.Scan(&key, &name, &box) }, c.String())
	})
	if err == nil && key == "" {
		err = fmt.Errorf("%w: blob %s", writ.ErrNotFound, c)
	}
	return key, name, box, err
}

// nonceOfOne is the nonce of every box. A key makes one box in its life, so that no nonce meets a key twice (NIST SP 800-38D,
// section 8).
var nonceOfOne [12]byte

// bound is what a box is bound to besides its content.
func bound(c writ.Commitment, name string) []byte {
	return []byte("writ/sealed/v1\x00" + c.String() + "\x00" + name)
}

func (k blobKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.key)
	if err != nil {
		return nil, fmt.Errorf("%w: key of a blob: %w", writ.ErrInvalid, err)
	}
	return cipher.NewGCM(block)
}
