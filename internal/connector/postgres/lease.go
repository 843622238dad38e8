package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
)

// A lease is the credential of one reading: a role of its own, whose password nobody but this process ever has and whose
// time ends soon whatever happens here.
type lease struct {
	name     string
	password string
	ends     time.Time
}

const (
	leaseMargin = 10 * time.Second // to log in and to end, beside the query
	endTime     = 10 * time.Second // to drop the role and to prove it dead
	endTries    = 3
	iterations  = 4096 // of a SCRAM verifier (RFC 7677, section 4); the password has 256 random bits and needs none
)

// mint logs in as the runner's login and has a role made. The lease has a name once there may be something to end, with an
// error too.
func (x *Connector) mint(ctx context.Context, v View) (l lease, err error) {
	seconds := v.Seconds + int(leaseMargin/time.Second)
	l = lease{ends: x.now().Add(time.Duration(seconds) * time.Second)}
	id, err := ident.New("x", x.now(), x.rand)
	if err != nil {
		return l, err
	}
	var random [32 + 16]byte
	if _, err := io.ReadFull(x.rand, random[:]); err != nil {
		return l, fmt.Errorf("%w: no randomness for a password", writ.ErrUnavailable)
	}
	name, password := x.prefix()+strings.ToLower(id[2:]), base64.RawURLEncoding.EncodeToString(random[:32])
	verifier, err := scram(password, random[32:])
	if err != nil {
		return l, err
	}
	err = x.asMinter(ctx, func(c *pgx.Conn) error {
		var much bool
		err := c.QueryRow(ctx, "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = session_user").Scan(&much)
		if err != nil {
			return x.refused(err)
		}
		if much {
			return writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("the login for %s may do more than have readers made; the reading was not begun", x.target))
		}
		l.name, l.password = name, password // from here on there may be a role, whatever the answer
		_, err = c.Exec(ctx, "SELECT "+pgx.Identifier{x.schema()}.Sanitize()+".mint($1, $2, $3)", name, verifier, seconds)
		if err != nil {
			return x.refused(err)
		}
		return nil
	})
	return l, err
}

// end drops the role and proves that it is dead: the database refuses it. It goes on when ctx has ended.
func (x *Connector) end(ctx context.Context, l lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	var err error
	for range endTries {
		err = x.asMinter(ctx, func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "SELECT "+pgx.Identifier{x.schema()}.Sanitize()+".finish($1)", l.name)
			return err
		})
		if err == nil {
			break
		}
	}
	if err == nil {
		err = x.dead(ctx, l)
	}
	if err != nil {
		return writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("the reader's credential on %s could not be proven dead; by itself it ends at %s", x.target, l.ends.UTC().Format(time.RFC3339)))
	}
	return nil
}

// dead logs in with the credential that was ended. Only the database's own refusal counts.
func (x *Connector) dead(ctx context.Context, l lease) error {
	c, err := x.asReader(ctx, l)
	if err == nil {
		_ = c.Close(ctx)
		return errors.New("it still logs in")
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "28P01" || pg.Code == "28000") {
		return nil
	}
	return err
}

func (x *Connector) asMinter(ctx context.Context, do func(*pgx.Conn) error) error {
	c, err := pgx.ConnectConfig(ctx, x.config.Copy())
	if err != nil {
		return x.refused(err)
	}
	defer closing(c)
	return do(c)
}

func (x *Connector) asReader(ctx context.Context, l lease) (*pgx.Conn, error) {
	c := x.config.Copy()
	c.User, c.Password = l.name, l.password
	c.RuntimeParams = map[string]string{"application_name": "writ", "search_path": "pg_catalog"}
	return pgx.ConnectConfig(ctx, c)
}

// closing says goodbye, shortly, to a server that may be gone.
func closing(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // nothing depends on it: a connection that broke is closed too
}

// refused turns an error of the database or of the way there into a refusal, without any of its text: that could hold a
// password, a query or a row.
func (x *Connector) refused(err error) error {
	var already *writ.Refusal
	if errors.As(err, &already) {
		return err
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:min(2, len(pg.Code))] {
		case "28": // invalid authorization
			return writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("%s refused the login: %s", x.target, writ.Printable(pg.Code, 5)))
		case "42", "3F": // no such schema, view, column or function, or no right to it
			return writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("%s refused: %s; writ runner sql prints the statements that let the runner in", x.target, writ.Printable(pg.Code, 5)))
		case "57": // cancelled by its timeout
			return writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("%s did not answer in time", x.target))
		}
		return writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("%s refused: %s", x.target, writ.Printable(pg.Code, 5)))
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("%s shows a certificate that is not trusted", x.target))
	}
	return writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("%s does not answer", x.target))
}

// scram is what PostgreSQL keeps of a password (RFC 5802, section 3; pg_authid.rolpassword), so that the password itself
// is in no statement and in no log of the database.
func scram(password string, salt []byte) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("%w: verifier of a password", writ.ErrUnavailable)
	}
	mac := func(text string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(stored[:]), b64(mac("Server Key"))), nil
}
