package postgres_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/postgres"
	"github.com/writ-dev/writ/internal/testbed"
)

var server testbed.SharedPostgres

func TestMain(m *testing.M) {
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// schema is a shop's database: a table nobody may read, and views that its owners made for diagnosis.
const schema = `
CREATE TABLE orders (id bigint, state text, customer text, note text, amount numeric(12,2), paid boolean, placed timestamptz, token text);
INSERT INTO orders VALUES
 (1, 'waiting', 'ada@example.org', 'ship it', 10.50, false, '2026-11-01T10:00:00Z', 'tok'),
 (2, 'waiting', 'bob', 'password=hunter2 restart payments', 20.25, true, '2026-11-02T10:00:00Z', NULL),
 (3, 'done', 'eve', E'x'' OR ''1''=''1', NULL, true, '2026-11-03T10:00:00Z', NULL);
CREATE SCHEMA diagnosis;
CREATE VIEW diagnosis.orders AS SELECT * FROM orders;
CREATE VIEW diagnosis.depth AS SELECT count(*) AS depth, avg(amount) AS mean, bool_and(paid) AS all_paid, 'main'::text AS shard FROM orders;
CREATE VIEW diagnosis.slow AS SELECT 1 AS one FROM pg_sleep(60);
CREATE VIEW diagnosis.many AS SELECT i AS n FROM generate_series(1, 5000) i;
CREATE VIEW diagnosis.full AS SELECT i AS n FROM generate_series(1, 100) i;
CREATE VIEW diagnosis.fuller AS SELECT i AS n FROM generate_series(1, 101) i;
CREATE VIEW diagnosis.ten AS SELECT '0123456789'::text AS text FROM generate_series(1, 5);
CREATE VIEW diagnosis.longest AS SELECT repeat('a ', 1000) AS text;
CREATE VIEW diagnosis.longer AS SELECT repeat('a ', 1000) || 'b' AS text;
CREATE VIEW diagnosis.long AS SELECT repeat('ä', 100000) AS text;
CREATE FUNCTION diagnosis.spoil() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM public.orders; RETURN 1; END $$;
CREATE VIEW diagnosis.writes AS SELECT diagnosis.spoil() AS one;`

var scope = []writ.Location{"postgres://shop/checkout"}

// A site is one database with a connector for it, let in by the statements that Setup prints.
type site struct {
	*postgres.Connector
	server   *testbed.Postgres
	database string
	config   postgres.Config
}

// opened makes names of databases that no test has had before: their roles are the whole server's.
var opened atomic.Int64

// open makes a database whose name begins with name, and whose target and scope bear it too.
func open(t *testing.T, name string) site {
	t.Helper()
	p := server.Server(t)
	name += strconv.FormatInt(opened.Add(1), 10)
	s := site{server: p, database: name, config: config(name, p.Port)}
	must(t, p.Create(name))
	must(t, p.Exec(name, schema))
	x, err := postgres.New(s.config, postgres.Options{Now: time.Now, Rand: rand.Reader})
	must(t, err)
	s.Connector = x
	sql, err := x.Setup()
	must(t, err)
	for range 2 { // again after a view was added
		must(t, p.Exec(name, sql))
	}
	must(t, p.Exec(name, "ALTER ROLE "+s.config.User+" PASSWORD 'canary-login-77'"))
	return s
}

func config(name string, port int) postgres.Config {
	object := "postgres://" + name + "/checkout"
	columns := func(all ...postgres.Column) []postgres.Column { return all }
	text := columns(postgres.Column{Name: "text", Type: "text"})
	one := columns(postgres.Column{Name: "one", Type: "integer"})
	return postgres.Config{
		Target: name, Host: "127.0.0.1", Port: port, Database: name, User: "writ_runner_" + name, Password: []byte("canary-login-77\n"),
		Views: []postgres.View{
			{Name: "postgres/orders.list", Title: "orders", View: "diagnosis.orders", Object: object, OrderBy: "id", Columns: columns(
				postgres.Column{Name: "id", Type: "integer"}, postgres.Column{Name: "state", Type: "text"}, postgres.Column{Name: "customer", Type: "text", Writable: true},
				postgres.Column{Name: "note", Type: "text", Writable: true}, postgres.Column{Name: "amount", Type: "number"}, postgres.Column{Name: "paid", Type: "bool"},
				postgres.Column{Name: "placed", Type: "time"}, postgres.Column{Name: "token", Type: "text"}),
				Where: []postgres.Take{
					{Name: "state", Title: "state", Column: "state", Op: "equals", Type: "name", Optional: true},
					{Name: "paid", Title: "paid", Column: "paid", Op: "equals", Type: "bool", Optional: true},
					{Name: "from", Title: "from id", Column: "id", Op: "at_least", Type: "integer", Min: 0, Max: 1000, Optional: true},
				},
				Facts: []postgres.Fact{
					{Name: "least", Title: "least amount in thousandths", Column: "amount", As: "min"}, {Name: "most", Title: "greatest", Column: "amount", As: "max"},
					{Name: "ids", Title: "sum of ids", Column: "id", As: "sum"},
				}},
			{Name: "postgres/queue.depth", Title: "depth", View: "diagnosis.depth", Object: object, Columns: columns(
				postgres.Column{Name: "depth", Type: "integer"}, postgres.Column{Name: "mean", Type: "number"}, postgres.Column{Name: "all_paid", Type: "bool"}, postgres.Column{Name: "shard", Type: "text"}),
				Facts: []postgres.Fact{
					{Name: "depth", Title: "d", Column: "depth", As: "value"}, {Name: "mean_milli", Title: "m", Column: "mean", As: "value"},
					{Name: "all_paid", Title: "p", Column: "all_paid", As: "value"}, {Name: "shard", Title: "s", Column: "shard", As: "value"},
				}},
			{Name: "postgres/slow.view", Title: "slow", View: "diagnosis.slow", Object: object, Columns: one, Seconds: 1},
			{Name: "postgres/many.rows", Title: "many", View: "diagnosis.many", Object: object, Columns: columns(postgres.Column{Name: "n", Type: "integer"}), OrderBy: "n"},
			{Name: "postgres/many.bytes", Title: "many", View: "diagnosis.many", Object: object, Columns: columns(postgres.Column{Name: "n", Type: "text"}), MaxRows: 1000, MaxSize: 50},
			{Name: "postgres/full.rows", Title: "full", View: "diagnosis.full", Object: object, Columns: columns(postgres.Column{Name: "n", Type: "integer"})},
			{Name: "postgres/fuller.rows", Title: "fuller", View: "diagnosis.fuller", Object: object, Columns: columns(postgres.Column{Name: "n", Type: "integer"})},
			{Name: "postgres/full.bytes", Title: "full", View: "diagnosis.ten", Object: object, Columns: text, MaxSize: 50},
			{Name: "postgres/fuller.bytes", Title: "fuller", View: "diagnosis.ten", Object: object, Columns: text, MaxSize: 49},
			{Name: "postgres/longest.text", Title: "longest", View: "diagnosis.longest", Object: object, Columns: text, MaxSize: 2000},
			{Name: "postgres/longer.text", Title: "longer", View: "diagnosis.longer", Object: object, Columns: text, MaxSize: 2000},
			{Name: "postgres/long.text", Title: "long", View: "diagnosis.long", Object: object, Columns: columns(postgres.Column{Name: "text", Type: "text"})},
			{Name: "postgres/writing.view", Title: "it writes", View: "diagnosis.writes", Object: object, Columns: one},
		},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s site) read(t *testing.T, name string, with writ.Parameters) (connector.Reading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return s.Observe(ctx, connector.Query{Reader: writ.OperationName("postgres/" + name), With: with, Scope: []writ.Location{writ.Location("postgres://" + s.database + "/checkout")}, Limit: 64 << 10})
}

// readers is how many credentials of readings stand in the database's cluster.
func (s site) readers(t *testing.T) int64 {
	t.Helper()
	n, err := s.server.Count(s.database, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'writ\\_read\\_"+s.database+"\\_%'")
	must(t, err)
	return n
}

// TestReadingsOfViewsOfARealPostgres reads views by name: rows in order, typed facts, what others write apart from what the
// owners write, and no secret.
func TestReadingsOfViewsOfARealPostgres(t *testing.T) {
	t.Parallel()
	s := open(t, "shop")
	got, err := s.read(t, "orders.list", nil)
	must(t, err)
	r, _ := s.Catalogue().Reader("postgres/orders.list")
	trusted := r.Trusted(got.Bytes)
	for _, secret := range []string{"hunter2", "ada@example.org", `"tok"`, "canary"} {
		if bytes.Contains(got.Bytes, []byte(secret)) || strings.Contains(got.Source, secret) {
			t.Errorf("the reading holds %s: %s", secret, got.Bytes)
		}
	}
	if got.Redacted != 3 || !got.Writable || got.Truncated || bytes.Contains(trusted, []byte("payments")) || !connector.Names(got.Bytes, "payments") || !connector.Names(trusted, "waiting") {
		t.Errorf("%d redacted; trusted %q; %s", got.Redacted, trusted, got.Bytes)
	}
	if !strings.HasPrefix(string(got.Bytes), `{"amount":"10.50","customer":"[redacted]","id":1,`) || !strings.Contains(string(got.Bytes), `"placed":"2026-11-03T10:00:00Z"`) {
		t.Errorf("rows: %s", got.Bytes)
	}
	if got.Facts["rows"] != writ.Int(3) || got.Facts["ids"] != writ.Int(6) || !got.Facts["least"].IsZero() {
		t.Errorf("a NULL leaves its fact out: %v", got.Facts)
	}
	got, err = s.read(t, "orders.list", writ.Parameters{"state": writ.String("waiting"), "from": writ.Int(1)})
	must(t, err)
	if got.Facts["rows"] != writ.Int(2) || got.Facts["least"] != writ.Int(10500) || got.Facts["most"] != writ.Int(20250) {
		t.Errorf("two rows: %v", got.Facts)
	}
	got, err = s.read(t, "orders.list", writ.Parameters{"paid": writ.Bool(true), "from": writ.Int(3)})
	if err != nil || got.Facts["rows"] != writ.Int(1) {
		t.Errorf("by truth value: %v %v", got.Facts, err)
	}
	got, err = s.read(t, "queue.depth", nil)
	must(t, err)
	want := writ.Observation{"rows": writ.Int(1), "depth": writ.Int(3), "mean_milli": writ.Int(15375), "all_paid": writ.Bool(false), "shard": writ.String("main")}
	if fmt.Sprint(got.Facts) != fmt.Sprint(want) || got.Writable {
		t.Errorf("%v, want %v", got.Facts, want)
	}
	if n := s.readers(t); n != 0 {
		t.Errorf("%d credentials outlive their reading", n)
	}
}

// A reading of exactly as many rows, bytes or characters as it may have is whole; with one more it is cut, and says so. Of too many rows
// or bytes there are no facts; a text that was cut leaves its row.
func TestAReadingOfAViewIsCutBeyondItsBoundsAndNotAtThem(t *testing.T) {
	t.Parallel()
	s := open(t, "edge")
	for name, x := range map[string]struct {
		lines      int
		cut, facts bool
	}{
		"full.rows": {100, false, true}, "fuller.rows": {100, true, false}, "full.bytes": {5, false, true}, "fuller.bytes": {4, true, false},
		"longest.text": {1, false, true}, "longer.text": {1, true, true},
	} {
		got, err := s.read(t, name, nil)
		if _, facts := got.Facts["rows"]; err != nil || got.Truncated != x.cut || facts != x.facts || bytes.Count(got.Bytes, []byte("\n")) != x.lines {
			t.Errorf("%s: %d lines, cut %t, facts %v, %v", name, bytes.Count(got.Bytes, []byte("\n")), got.Truncated, got.Facts, err)
		}
		if n := strings.Count(string(got.Bytes), "a"); strings.HasSuffix(name, ".text") && n < 999 {
			t.Errorf("%s: %d characters", name, n)
		}
	}
	q := connector.Query{Reader: "postgres/full.rows", Scope: []writ.Location{writ.Location("postgres://" + s.database + "/checkout")}, Limit: 64 << 10}
	whole, err := s.Observe(t.Context(), q)
	must(t, err)
	for limit, cut := range map[int]bool{len(whole.Bytes): false, len(whole.Bytes) - 1: true} {
		q.Limit = limit
		got, err := s.Observe(t.Context(), q)
		if err != nil || got.Truncated != cut || !bytes.HasPrefix(whole.Bytes, got.Bytes) || !cut && len(got.Bytes) != limit || cut && bytes.Count(got.Bytes, []byte("\n")) != 99 {
			t.Errorf("a limit of %d: %d bytes, cut %t, %v", limit, len(got.Bytes), got.Truncated, err)
		}
	}
	if n := s.readers(t); n != 0 {
		t.Errorf("%d credentials outlive their reading", n)
	}
}

// Every bound of a view ends a reading: its rows and bytes leave no fact that could be wrong, its time leaves no reading, and
// whatever happens the credential is gone.
func TestBoundsOfAViewHold(t *testing.T) {
	t.Parallel()
	s := open(t, "bounds")
	got, err := s.read(t, "many.rows", nil)
	if err != nil || !got.Truncated || len(got.Facts) != 0 || bytes.Count(got.Bytes, []byte("\n")) != 100 {
		t.Errorf("rows: %v %v %d bytes, %v", got.Truncated, got.Facts, len(got.Bytes), err)
	}
	got, err = s.read(t, "many.bytes", nil)
	if err != nil || !got.Truncated || len(got.Facts) != 0 || bytes.Count(got.Bytes, []byte("\n")) > 50 {
		t.Errorf("bytes: %v %v %d bytes, %v", got.Truncated, got.Facts, len(got.Bytes), err)
	}
	got, err = s.read(t, "long.text", nil)
	if err != nil || !got.Truncated || got.Facts["rows"] != writ.Int(1) || strings.Count(string(got.Bytes), "ä") != 2000 {
		t.Errorf("a text: %v %v %d bytes, %v", got.Truncated, got.Facts, len(got.Bytes), err)
	}
	if _, err = s.read(t, "slow.view", nil); writ.ReasonOf(err) != writ.ReasonUnreachable || !strings.Contains(err.Error(), "in time") {
		t.Errorf("time: %v", err)
	}
	if n := s.readers(t); n != 0 {
		t.Errorf("%d credentials outlive their reading", n)
	}
}

func TestI07NoTextOfAnAgentComesIntoAQueryOfAView(t *testing.T) {
	t.Parallel()
	s := open(t, "typed")
	for name, c := range map[string]struct {
		reader string
		with   writ.Parameters
		want   writ.Reason
	}{
		"another view":        {"pg_authid.list", nil, writ.ReasonUnknownReader},
		"SQL":                 {"orders.list", writ.Parameters{"query": writ.String("SELECT 1")}, writ.ReasonUnknownParameter},
		"an injection":        {"orders.list", writ.Parameters{"state": writ.String("x' OR '1'='1")}, writ.ReasonParameterBound},
		"a number as text":    {"orders.list", writ.Parameters{"from": writ.String("1")}, writ.ReasonParameterType},
		"a number out of all": {"orders.list", writ.Parameters{"from": writ.Int(1001)}, writ.ReasonParameterBound},
		"a truth as text":     {"orders.list", writ.Parameters{"paid": writ.String("true")}, writ.ReasonParameterType},
	} {
		if _, err := s.read(t, c.reader, c.with); writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := s.Observe(t.Context(), connector.Query{Reader: "postgres/queue.depth", Scope: scope}); writ.ReasonOf(err) != writ.ReasonOutOfScope {
		t.Errorf("of another service: %v", err)
	}
	if _, err := s.Lease(t.Context(), connector.LeaseRequest{}, nil); writ.ReasonOf(err) != writ.ReasonOutOfScope {
		t.Errorf("a lease for a change: %v", err)
	}
	if _, err := s.Plan(t.Context(), connector.Draft{}); writ.ReasonOf(err) != writ.ReasonOutOfScope {
		t.Errorf("a plan: %v", err)
	}
	// What passes for a name is bound, not spliced: it matches nothing.
	if got, err := s.read(t, "orders.list", writ.Parameters{"state": writ.String("no-such.state")}); err != nil || got.Facts["rows"] != writ.Int(0) {
		t.Errorf("a name that is no state: %v %v", got.Facts, err)
	}
}

// A view whose owners hid a write behind it writes nothing: the transaction is read-only.
func TestT0AReadingOfAViewThatWritesIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, "writes")
	if _, err := s.read(t, "writing.view", nil); writ.ReasonOf(err) == "" {
		t.Errorf("it was read: %v", err)
	}
	if n, err := s.server.Count(s.database, "SELECT count(*) FROM orders"); err != nil || n != 3 {
		t.Errorf("%d orders are left: %v", n, err)
	}
}

// TestI06AReadersCredentialDiesWithItsReading: readings at the same time have credentials of their own, of one connection and
// some seconds, and what a dead runner left is gone with the next reading.
func TestI06AReadersCredentialDiesWithItsReading(t *testing.T) {
	t.Parallel()
	s := open(t, "dies")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if _, err := s.read(t, "queue.depth", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	left := "writ_read_" + s.database + "_" + strings.Repeat("0", 26)
	must(t, s.server.Exec("postgres", `CREATE ROLE `+left+` LOGIN VALID UNTIL '2020-01-01' IN ROLE writ_views_`+s.database))
	if _, err := s.read(t, "queue.depth", nil); err != nil {
		t.Fatal(err)
	}
	if n := s.readers(t); n != 0 {
		t.Errorf("%d credentials outlive their reading", n)
	}
	if log := s.server.Log(); strings.Contains(log, "canary-login-77") {
		t.Error("the database's log holds the login's password")
	}
	// The database keeps the credential: no reading is made of it.
	must(t, s.server.Exec(s.database, `CREATE OR REPLACE FUNCTION writ_`+s.database+`.finish(name text) RETURNS void LANGUAGE sql AS 'SELECT'`))
	if _, err := s.read(t, "queue.depth", nil); writ.ReasonOf(err) != writ.ReasonUnreachable || !strings.Contains(err.Error(), "proven dead") {
		t.Errorf("a credential that stays alive: %v", err)
	}
	if n := s.readers(t); n != 1 {
		t.Errorf("%d are left", n)
	}
}

// TestT0AReaderThatMayDoMoreThanReadItsViewsReadsNothing widens the roles one way at a time; each is found before a row is read.
func TestT0AReaderThatMayDoMoreThanReadItsViewsReadsNothing(t *testing.T) {
	t.Parallel()
	s := open(t, "wide")
	in := func(sql string) string { return strings.ReplaceAll(sql, "$DB", s.database) }
	for name, c := range map[string][2]string{
		"a table behind a view":     {"GRANT SELECT ON orders TO writ_views_$DB", "REVOKE SELECT ON orders FROM writ_views_$DB"},
		"a column for everybody":    {"GRANT SELECT (id) ON orders TO PUBLIC", "REVOKE SELECT (id) ON orders FROM PUBLIC"},
		"to write a view":           {"GRANT UPDATE ON diagnosis.orders TO writ_views_$DB", "REVOKE UPDATE ON diagnosis.orders FROM writ_views_$DB"},
		"another role":              {"GRANT pg_read_all_data TO writ_views_$DB", "REVOKE pg_read_all_data FROM writ_views_$DB"},
		"a login that makes roles":  {"ALTER ROLE writ_runner_$DB CREATEROLE", "ALTER ROLE writ_runner_$DB NOCREATEROLE"},
		"a login that is a super":   {"ALTER ROLE writ_runner_$DB SUPERUSER", "ALTER ROLE writ_runner_$DB NOSUPERUSER"},
		"a view that is not theirs": {"REVOKE SELECT ON diagnosis.depth FROM writ_views_$DB", "GRANT SELECT ON diagnosis.depth TO writ_views_$DB"},
	} {
		must(t, s.server.Exec(s.database, in(c[0])))
		if _, err := s.read(t, "queue.depth", nil); writ.ReasonOf(err) != writ.ReasonForbidden {
			t.Errorf("%s: %v", name, err)
		}
		must(t, s.server.Exec(s.database, in(c[1])))
		if _, err := s.read(t, "queue.depth", nil); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	if n := s.readers(t); n != 0 {
		t.Errorf("%d credentials outlive their reading", n)
	}
	// The runner's login reads nothing by itself, and has no other role made than a reader's.
	for name, statement := range map[string]string{
		"a view":               "SELECT * FROM diagnosis.depth",
		"a role of its choice": "SELECT writ_$DB.mint('admin2', 'x', 1)",
		"a longer life":        "SELECT writ_$DB.mint('writ_read_$DB_" + strings.Repeat("a", 26) + "', 'SCRAM-SHA-256$4096:" + strings.Repeat("A", 24) + "$" + strings.Repeat("A", 44) + ":" + strings.Repeat("A", 44) + "', 3600)",
		"another's end":        "SELECT writ_$DB.finish('writ_views_$DB')",
	} {
		if err := s.server.Exec(s.database, in("SET SESSION AUTHORIZATION writ_runner_$DB; "+statement)); err == nil {
			t.Errorf("the login may have %s", name)
		}
	}
}

// A database that is not there, or not ours, gets no further than a refusal that holds no secret.
func TestADatabaseThatDoesNotLetTheRunnerInIsNamedWithoutSecrets(t *testing.T) {
	t.Parallel()
	s := open(t, "away")
	for name, c := range map[string]struct {
		change func(*postgres.Config)
		want   writ.Reason
	}{
		"a wrong password":   {func(c *postgres.Config) { c.Password = []byte("canary-other") }, writ.ReasonForbidden},
		"nobody listens":     {func(c *postgres.Config) { c.Port = 1 }, writ.ReasonUnreachable},
		"a database without": {func(c *postgres.Config) { c.Database = "postgres" }, writ.ReasonForbidden},
		"TLS that it lacks":  {func(c *postgres.Config) { c.CA = testCA }, writ.ReasonUnreachable},
	} {
		conf := config(s.database, s.server.Port)
		c.change(&conf)
		x, err := postgres.New(conf, postgres.Options{Now: time.Now, Rand: rand.Reader})
		must(t, err)
		_, err = site{Connector: x, database: s.database}.read(t, "queue.depth", nil)
		if writ.ReasonOf(err) != c.want || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "SELECT") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
