package store

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

// EraseBlob destroys content and salt; the commitment stays and from then on reveals nothing. Of content that the state
// database keeps as ciphertext the key is destroyed, and then the ciphertext removed. Erasing again does nothing. SQLite's
// pages are overwritten and the write-ahead log of the blobs is emptied before it returns. PostgreSQL's row is gone
// for every query and its space is free, but the bytes stay in the server's files until others are written over them,
// and in its write-ahead log until that is recycled. Backups of the blobs are the operator's.
func (s *Store) EraseBlob(ctx context.Context, c writ.Commitment) error {
	r, err := s.blobs.exec(ctx, "UPDATE blob SET erased = CASE erased WHEN 0 THEN ? ELSE erased END, salt = NULL, content = NULL WHERE commitment = ?",
		max(1, s.now().UnixMilli()), c.String())
	if err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	if n > 0 {
		return s.blobs.overwrite(ctx, "blob")
	}
	return s.eraseSealed(ctx, c)
}

// eraseSealed is EraseBlob for content that the state database keeps. The key goes first: what a crash leaves behind says nothing.
func (s *Store) eraseSealed(ctx context.Context, c writ.Commitment) error {
	key, _, box, err := s.sealed(ctx, c)
	if err != nil {
		return err
	}
	if _, err := s.blobs.exec(ctx, "DELETE FROM blobkey WHERE id = ?", key); err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	if err := s.blobs.overwrite(ctx, "blobkey"); err != nil {
		return err
	}
	// Erased: there is no key to what is left.
	if len(box) == 0 {
		return nil
	}
	return s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec("UPDATE sealed SET box = ? WHERE commitment = ?", []byte{}, c.String())
		return err
	})
}

// overwrite makes sure that what was deleted from a table is not left in the engine's files, as far as the engine can.
func (b *blobs) overwrite(ctx context.Context, table string) error {
	if b.server {
		_, err := b.exec(ctx, "VACUUM "+table)
		return err
	}
	var busy, pages, moved int
	if err := b.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("blob: %w", kind(err))
	}
	if busy != 0 {
		return fmt.Errorf("%w: the blob is erased, but the write-ahead log could not be emptied; erase it again", writ.ErrBusy)
	}
	return nil
}
