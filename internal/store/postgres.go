package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/writ-dev/writ"
)

// Time limits of a PostgreSQL connection. A replica that is stopped in the middle of a transaction would hold up all
// others; the server ends it after stallLimit, and the others wait longer than that.
const (
	connectLimit = 5 * time.Second
	stallLimit   = 5 * time.Second  // idle in a writing transaction
	lockLimit    = 15 * time.Second // for the head row
	workLimit    = 30 * time.Second // of a transaction or reading, as seen from here
	idleAfter    = time.Second      // a connection that has rested longer is asked whether it still lives
	keepAlive    = 15 * time.Second
)

// minPostgres is the oldest server with pg_xact_status(xid8).
const minPostgres = 130000

// maxURLFile bounds a file with a URL.
const maxURLFile = 4 << 10

// ReadURL reads the URL of a PostgreSQL database from a file that only its owner may read. No error quotes the URL.
func ReadURL(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%w: %s has mode %04o; a file with a password is a regular file of mode 0600", writ.ErrInvalid, path, st.Mode().Perm())
	}
	if st.Size() > maxURLFile {
		return "", fmt.Errorf("%w: %s is larger than %d bytes; it holds one URL", writ.ErrInvalid, path, maxURLFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// parseURL reads the URL of a database. It takes nothing from the environment or the user's files, and demands TLS with
// a verified name unless the server is on this machine. No error quotes the URL, which holds a password.
func parseURL(text string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("%w: the database's URL is not of the form postgres://user:password@host:port/name?sslmode=verify-full", writ.ErrInvalid)
	}
	q := u.Query()
	if u.User.Username() == "" && q.Get("user") == "" || strings.Trim(u.Path, "/") == "" || u.Host == "" && q.Get("host") == "" {
		return nil, fmt.Errorf("%w: the database's URL must name user, host and database", writ.ErrInvalid)
	}
	if q.Get("sslmode") == "" {
		q.Set("sslmode", "disable") // refused below unless the server is on this machine
		u.RawQuery = q.Encode()
	}
	c, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("%w: the database's URL has an option that is unknown or wrong", writ.ErrInvalid)
	}
	verified := local(c.Host) || c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify
	for _, f := range c.Fallbacks {
		verified = verified && (local(f.Host) || f.TLSConfig != nil && !f.TLSConfig.InsecureSkipVerify)
	}
	if !verified {
		return nil, fmt.Errorf("%w: the database %s is on another machine: its URL must say sslmode=verify-full", writ.ErrInvalid, place(c))
	}
	c.Password, _ = u.User.Password()
	if p := q.Get("password"); p != "" {
		c.Password = p
	}
	c.RuntimeParams = map[string]string{"application_name": "writ"}
	if c.ConnectTimeout <= 0 || c.ConnectTimeout > connectLimit {
		c.ConnectTimeout = connectLimit
	}
	c.DialFunc = (&net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: keepAlive}).DialContext
	c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	return c, nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
}

// place names a database without its password.
func place(c *pgx.ConnConfig) string {
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database
}

// with adds parameters to the sessions of a configuration.
func with(c *pgx.ConnConfig, params map[string]string) *pgx.ConnConfig {
	c = c.Copy()
	c.RuntimeParams = maps.Clone(c.RuntimeParams)
	maps.Copy(c.RuntimeParams, params)
	return c
}

func millisText(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// connectPG connects and reads back what durability rests on: a role or a database may have been given other settings,
// and would lose commits in silence.
func connectPG(ctx context.Context, c *pgx.ConnConfig) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*connectLimit)
	defer cancel()
	p, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", place(c), unreachable(err))
	}
	var sync, fsync, isolation, encoding, version string
	err = p.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('default_transaction_isolation'),
		current_setting('server_encoding'), current_setting('server_version_num')`).Scan(&sync, &fsync, &isolation, &encoding, &version)
	if err != nil {
		err = pgKind(err)
	} else if number, e := strconv.Atoi(version); e != nil || number < minPostgres {
		err = fmt.Errorf("%w: PostgreSQL 13 or newer is needed; the server's number is %s", writ.ErrUnavailable, version)
	} else if sync != "on" && sync != "remote_apply" || fsync != "on" {
		err = fmt.Errorf("%w: the database runs with synchronous_commit=%s and fsync=%s; on and on are needed, else acknowledged entries can be lost", writ.ErrUnavailable, sync, fsync)
	} else if isolation != "read committed" {
		err = fmt.Errorf("%w: default_transaction_isolation is %q; %q is needed", writ.ErrUnavailable, isolation, "read committed")
	} else if encoding != "UTF8" {
		err = fmt.Errorf("%w: the database's encoding is %s; UTF8 is needed", writ.ErrUnavailable, encoding)
	}
	if err != nil {
		p.Close(ctx)
		return nil, fmt.Errorf("database %s: %w", place(c), err)
	}
	return p, nil
}

// unreachable says why a connection could not be made.
func unreachable(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "28P01", "28000":
			return fmt.Errorf("%w: the server refuses the user or the password", writ.ErrUnavailable)
		case "3D000":
			return fmt.Errorf("%w: there is no such database; create it first", writ.ErrUnavailable)
		case "53300":
			return fmt.Errorf("%w: the server has no free connection; raise max_connections", writ.ErrUnavailable)
		case "57P03":
			return fmt.Errorf("%w: the server is starting or stopping", writ.ErrUnavailable)
		}
		return pgKind(e)
	}
	return fmt.Errorf("%w: it cannot be reached: %w", writ.ErrUnavailable, reason(err))
}

// reason strips what pgx puts around a network error.
func reason(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	return err
}

// pgKind turns an error of pgx into one of the root kinds, with a sentence.
func pgKind(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fmt.Errorf("%w: database: %w", writ.ErrUnavailable, err)
	}
	switch {
	case e.Code == "23505":
		return errExists
	case strings.HasPrefix(e.Code, "23"), strings.HasPrefix(e.Code, "22"), strings.HasPrefix(e.Code, "54"):
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	case e.Code == "53100":
		return fmt.Errorf("%w: the disk or the database is full; nothing was kept: %w", writ.ErrUnavailable, err)
	case e.Code == "25006":
		return fmt.Errorf("%w: the database cannot be written; nothing was kept: %w", writ.ErrUnavailable, err)
	case e.Code == "42501":
		return fmt.Errorf("%w: the database user lacks a right; it must own the schema or be granted CREATE and all tables: %w", writ.ErrUnavailable, err)
	case e.Code == "42P07":
		return fmt.Errorf("%w: the database holds tables of something else; give Writ an empty one: %w", writ.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: database: %w", writ.ErrUnavailable, err)
}

// migrationLock is the advisory lock that one replica holds while it brings a schema up to date.
const migrationLock = 0x77726974 // "writ"

// migratePG brings the schema up to date; of replicas that start together one does, and the others wait.
func migratePG(ctx context.Context, c *pgx.ConnConfig, dirs ...string) (err error) {
	guard, err := connectPG(ctx, c)
	if err != nil {
		return err
	}
	defer guard.Close(context.WithoutCancel(ctx)) // and with it the lock
	if _, err := guard.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("schema of %s: %w", place(c), pgKind(err))
	}
	db := stdlib.OpenDB(*c)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, dir := range dirs {
		if err := up(ctx, db, goose.DialectPostgres, dir, place(c)); err != nil {
			return err
		}
	}
	return nil
}

// openTwo refuses one database for both purposes: blobs would go into every backup of the ledger.
func openTwo(state, blobs *pgx.ConnConfig) error {
	if place(state) == place(blobs) {
		return fmt.Errorf("%w: state and blobs need a database each, with other backups; both URLs name %s", writ.ErrInvalid, place(state))
	}
	return nil
}

// holds reports whether a database has a table.
func holds(ctx context.Context, c *pgx.ConnConfig, table string) (bool, error) {
	p, err := connectPG(ctx, c)
	if err != nil {
		return false, err
	}
	defer p.Close(context.WithoutCancel(ctx))
	var there bool
	err = p.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", table).Scan(&there)
	if err != nil {
		err = fmt.Errorf("database %s: %w", place(c), pgKind(err))
	}
	return there, err
}

// Probe connects to the two databases and says what is wrong with them. It changes nothing.
func Probe(ctx context.Context, stateURL, blobsURL, origin string) error {
	state, err := parseURL(stateURL)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	blobs, err := parseURL(blobsURL)
	if err != nil {
		return fmt.Errorf("blobs: %w", err)
	}
	if err := openTwo(state, blobs); err != nil {
		return err
	}
	if err := apart(ctx, state, blobs); err != nil {
		return err
	}
	began, err := holds(ctx, state, "tree_head")
	if err != nil || !began {
		return err
	}
	p, err := connectPG(ctx, state)
	if err != nil {
		return err
	}
	defer p.Close(context.WithoutCancel(ctx))
	var there string
	switch err := p.QueryRow(ctx, "SELECT origin FROM tree_head").Scan(&there); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("database %s: %w", place(state), pgKind(err))
	case there != origin:
		return foreign(state, there, origin)
	}
	return nil
}

// apart refuses databases that have been swapped, or that hold something else.
func apart(ctx context.Context, state, blobs *pgx.ConnConfig) error {
	for _, c := range []struct {
		db          *pgx.ConnConfig
		table, what string
	}{{state, "blob", "blobs"}, {blobs, "entry", "the ledger"}} {
		there, err := holds(ctx, c.db, c.table)
		if err != nil {
			return err
		}
		if there {
			return fmt.Errorf("%w: the database %s already holds %s; are the two URLs swapped?", writ.ErrInvalid, place(c.db), c.what)
		}
	}
	return nil
}

func foreign(c *pgx.ConnConfig, there, origin string) error {
	return fmt.Errorf("%w: the database %s holds the ledger %q, not %q", writ.ErrInvalid, place(c), writ.Printable(there, 80), writ.Printable(origin, 80))
}

// numbered turns question marks into PostgreSQL's placeholders. No text of this package has one that means itself.
func numbered(query string) string {
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
