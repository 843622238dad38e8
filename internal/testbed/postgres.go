package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A Postgres is one PostgreSQL server with a cluster of its own on a free port of 127.0.0.1, fsync on. It dies with the
// test binary. Its data stay in Dir until Close.
type Postgres struct {
	Dir  string
	Port int

	bin   string
	owner *syscall.Credential // whom the server runs as; nil for ourselves
	proc  *process
}

// The users of a test server.
const (
	pgAdmin    = "admin"
	pgUser     = "writ"
	pgPassword = "canary-b7c1f0e4" // appears in no log and no error: tests look for it
)

// PostgresPassword is the password of the user that Database's URLs name.
const PostgresPassword = pgPassword

// StartPostgres makes a cluster and starts its server. The programs are Debian's package postgresql, or what PATH has.
func StartPostgres() (_ *Postgres, err error) {
	p := &Postgres{}
	if p.bin, err = findPostgres(); err != nil {
		return nil, err
	}
	if p.Dir, err = os.MkdirTemp("", "writ-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if os.Getuid() == 0 { // initdb refuses root
		if p.owner, err = postgresUser(); err != nil {
			return nil, err
		}
		if err := os.Chown(p.Dir, int(p.owner.Uid), int(p.owner.Gid)); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(filepath.Join(p.bin, "initdb"), "-D", p.data(), "-U", pgAdmin, "--auth-host=scram-sha-256", "--auth-local=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.Dir = p.Dir
	p.as(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	return p, p.Exec("postgres", "CREATE ROLE "+pgUser+" LOGIN PASSWORD '"+pgPassword+"'")
}

func findPostgres() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return major(a) - major(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("PostgreSQL's programs are not installed: apt-get install -y postgresql")
}

func major(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

func postgresUser() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (p *Postgres) data() string { return filepath.Join(p.Dir, "data") }

func (p *Postgres) as(cmd *exec.Cmd) {
	if p.owner == nil {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = p.owner
}

// Start starts the server, on the port it had before.
func (p *Postgres) Start() error {
	for {
		err := p.start()
		if err == nil || p.Port == 0 || !portTaken(err) {
			return err
		}
		p.Port = 0
	}
}

func (p *Postgres) start() error {
	if p.Port == 0 {
		ports, err := freePorts(1)
		if err != nil {
			return err
		}
		p.Port = ports[0]
	}
	proc, err := launchAs("postgres", filepath.Join(p.Dir, "log"), func(cmd *exec.Cmd) {
		p.as(cmd)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // at once, as after a crash
	}, filepath.Join(p.bin, "postgres"), "-D", p.data(), "-p", strconv.Itoa(p.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+p.Dir, "-c", "max_connections=200", "-c", "fsync=on", "-c", "checkpoint_timeout=1h", "-c", "max_wal_size=8GB")
	if err != nil {
		return err
	}
	p.proc = proc
	return proc.ready(context.Background(), func(ctx context.Context) error { return p.exec(ctx, "postgres", "SELECT 1") })
}

// Stop ends the server at once: what was committed is there after Start, by recovery.
func (p *Postgres) Stop() {
	if p.proc != nil {
		p.proc.stop()
		p.proc = nil
	}
}

// Close ends the server and removes its data.
func (p *Postgres) Close() error {
	p.Stop()
	return os.RemoveAll(p.Dir)
}

// Exec runs statements as the administrator.
func (p *Postgres) Exec(database string, statements ...string) error {
	for _, s := range statements {
		if err := p.exec(context.Background(), database, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (p *Postgres) exec(ctx context.Context, database, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	c, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s database=%s sslmode=disable", p.Dir, p.Port, pgAdmin, database))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.PgConn().Exec(ctx, statement).ReadAll()
	return err
}

// Count returns the one number that a query answers, asked as the administrator.
func (p *Postgres) Count(database, query string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	c, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s database=%s sslmode=disable", p.Dir, p.Port, pgAdmin, database))
	if err != nil {
		return 0, err
	}
	defer c.Close(ctx)
	return n, c.QueryRow(ctx, query).Scan(&n)
}

// Create makes an empty database that the user of URL owns.
func (p *Postgres) Create(database string) error {
	return p.Exec("postgres", "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()+" OWNER "+pgUser)
}

// URL names a database, its user and password.
func (p *Postgres) URL(database string) string { return PostgresURL(p.Port, database) }

// PostgresURL is URL for whoever knows the server's port only, or reaches it through a proxy.
func PostgresURL(port int, database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(pgUser, pgPassword), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + database,
	}).String()
}

// SharedPostgres is the one server of a test binary. Its zero value is ready; call Close when the tests have run.
type SharedPostgres struct {
	once   sync.Once
	server *Postgres
	err    error
	mu     sync.Mutex
	made   int // guarded by mu
}

// Server returns the server, which the first caller starts.
func (s *SharedPostgres) Server(t testing.TB) *Postgres {
	t.Helper()
	s.once.Do(func() { s.server, s.err = StartPostgres() })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Databases makes two empty databases, for state and for blobs, and returns their names.
func (s *SharedPostgres) Databases(t testing.TB) (state, blobs string) {
	t.Helper()
	p := s.Server(t)
	s.mu.Lock()
	s.made++
	name := "t" + strconv.Itoa(s.made)
	s.mu.Unlock()
	state, blobs = name+"_state", name+"_blobs"
	for _, d := range []string{state, blobs} {
		if err := p.Create(d); err != nil {
			t.Fatal(err)
		}
	}
	return state, blobs
}

// Close ends the server, if it was started.
func (s *SharedPostgres) Close() error {
	if s.server == nil {
		return nil
	}
	if os.Getenv("WRIT_TESTBED_KEEP") != "" {
		s.server.Stop()
		fmt.Fprintln(os.Stderr, "testbed: kept", s.server.Dir)
		return nil
	}
	return s.server.Close()
}

// Log returns what the server has logged since its last start.
func (p *Postgres) Log() string {
	b, err := os.ReadFile(filepath.Join(p.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(b), "?")
}
