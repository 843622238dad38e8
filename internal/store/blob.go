package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// blobs keeps off-ledger content and salts, in a file of its own, so that backups of the ledger cannot undo an erasure.
type blobs struct {
	db     *sql.DB
	server bool // PostgreSQL
}

// MaxBlob bounds one blob: four times the largest plan, above every reader's limit.
const MaxBlob = 1 << 20

func newBlobs(ctx context.Context, path string) (*blobs, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, path, blobSchema); err != nil {
		return nil, err
	}
	db, err := open(path, "secure_delete(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxReaders)
	b := &blobs{db: db}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(kind(err), b.close())
	}
	if err := errors.Join(checkDurable(ctx, c), c.Close()); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// newPGBlobs is newBlobs on PostgreSQL. Its pool makes connections when they are needed, and again when they were lost.
func newPGBlobs(c *pgx.ConnConfig) *blobs {
	db := stdlib.OpenDB(*with(c, map[string]string{"statement_timeout": millisText(workLimit)}))
	db.SetMaxOpenConns(maxBlobConns)
	return &blobs{db: db, server: true}
}

// maxBlobConns bounds a replica's connections to the database of blobs.
const maxBlobConns = 4

func (b *blobs) close() error { return b.db.Close() }

func (b *blobs) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r, err := b.db.ExecContext(ctx, b.text(query), args...)
	return r, b.kind(err)
}

func (b *blobs) text(query string) string {
	if b.server {
		return numbered(query)
	}
	return query
}

func (b *blobs) kind(err error) error {
	if b.server {
		return pgKind(err)
	}
	return kind(err)
}

// PutBlob stores content with a fresh salt and returns the commitment to put into an entry. It is durable when it
// returns; put the blob before the entry that commits to it. class is evidence, claim, plan or text.
func (s *Store) PutBlob(ctx context.Context, name, class string, content []byte) (writ.Commitment, error) {
	salt, commitment, err := s.commitTo(name, class, content)
	if err != nil {
		return writ.Commitment{}, err
	}
	if content == nil {
		content = []byte{}
	}
	fault.Before(fault.StoreBlob)
	if err := fault.Fail(fault.StoreBlob); err != nil {
		return writ.Commitment{}, fmt.Errorf("blob: %w", kind(err))
	}
	_, err = s.blobs.exec(ctx, "INSERT INTO blob (commitment, name, class, size, made, erased, salt, content) VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
		commitment.String(), name, class, len(content), s.now().UnixMilli(), salt[:], content)
	fault.After(fault.StoreBlob)
	if err != nil {
		return writ.Commitment{}, fmt.Errorf("blob: %w", err)
	}
	return commitment, nil
}

// commitTo checks a blob and commits to it under a fresh salt.
func (s *Store) commitTo(name, class string, content []byte) (salt [writ.SaltSize]byte, c writ.Commitment, err error) {
	if len(content) > MaxBlob || name == "" || len(name) > maxText || !storable(name) {
		return salt, c, fmt.Errorf("%w: a blob has a name and at most %d bytes", writ.ErrInvalid, MaxBlob)
	}
	if !slices.Contains(classes, class) {
		return salt, c, fmt.Errorf("%w: no class of blobs is called %q: %s", writ.ErrInvalid, writ.Printable(class, 40), strings.Join(classes, ", "))
	}
	if _, err := io.ReadFull(s.rand, salt[:]); err != nil {
		return salt, c, fmt.Errorf("%w: no randomness for a salt: %w", writ.ErrUnavailable, err)
	}
	return salt, writ.Commit(salt, name, content), nil
}

// classes of blobs, as the schemas know them.
var classes = []string{"evidence", "claim", "plan", "text"}

// Blob returns the content behind a commitment, with the salt and name that open it; they are checked against it. It
// returns ErrNotFound when there is none, or when it has been erased.
func (s *Store) Blob(ctx context.Context, c writ.Commitment) (content []byte, salt [writ.SaltSize]byte, name string, err error) {
	var stored []byte
	var erased int64
	err = s.blobs.db.QueryRowContext(ctx, s.blobs.text("SELECT name, erased, salt, content FROM blob WHERE commitment = ?"), c.String()).
		Scan(&name, &erased, &stored, &content)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if content, salt, name, err = s.unseal(ctx, c); err != nil {
			return nil, [writ.SaltSize]byte{}, "", err
		}
	case err != nil:
		return nil, salt, "", fmt.Errorf("blob: %w", s.blobs.kind(err))
	case erased > 0:
		return nil, salt, "", fmt.Errorf("%w: blob %s has been erased", writ.ErrNotFound, c)
	case len(stored) != len(salt):
		return nil, salt, "", notCommitted(c)
	default:
		salt = [writ.SaltSize]byte(stored)
	}
	if !writ.Commit(salt, name, content).Equal(c) {
		return nil, [writ.SaltSize]byte{}, "", notCommitted(c)
	}
	return content, salt, name, nil
}

func notCommitted(c writ.Commitment) error {
	return fmt.Errorf("%w: blob %s is not what was committed to", writ.ErrInvalid, c)
}
