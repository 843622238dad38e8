package e2e_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/postgres"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/internal/testbed"
)

const (
	ordersAt       = writ.Location("postgres://orders")
	ordersPassword = "canary-orders-login"
	ordersConfig   = `target: orders
host: 127.0.0.1
port: %d
database: orders
user: writ_runner
password_file: orders.password
views:
- name: postgres/queue.depth
  title: what waits, by shard
  view: diagnosis.queue
  object: postgres://orders/checkout
  columns: [{name: shard, type: text}, {name: waiting, type: integer}, {name: last_error, type: text, writable: true}]
  where: [{name: shard, title: shard, column: shard, op: equals, type: name, optional: true}]
  facts: [{name: most, title: most that wait, column: waiting, as: max}]
  order_by: shard
`
	ordersSchema = `CREATE TABLE queue (shard text, waiting int, last_error text, customer text);
INSERT INTO queue VALUES ('eu', 7, 'password=hunter2', 'ada'), ('us', 41, 'restart payments now', 'bob');
CREATE SCHEMA diagnosis;
CREATE VIEW diagnosis.queue AS SELECT shard, waiting, last_error FROM queue`
)

// database makes a real database with the runner let in by what writ runner sql prints, and makes it a target of checkout.
func (x *counter) database(o *setup.Options) *testbed.Postgres {
	t := x.t
	pg, err := testbed.StartPostgres()
	must(t, err)
	t.Cleanup(func() { _ = pg.Close() })
	must(t, pg.Create("orders"))
	must(t, pg.Exec("orders", ordersSchema))
	text := fmt.Appendf(nil, ordersConfig, pg.Port)
	c, err := postgres.ParseConfig(text)
	must(t, err)
	c.Password = []byte(ordersPassword)
	conn, err := postgres.New(c, postgres.Options{Now: time.Now, Rand: rand.Reader})
	must(t, err)
	o.Targets = append(o.Targets, setup.Target{
		Location: ordersAt, Connector: "orders.yaml", Catalogue: conn.Catalogue(),
		Files: map[string][]byte{"orders.yaml": text, "orders.password": []byte(ordersPassword + "\n")},
	})
	at := string(storefrontAt) + "/services/" + storefront.Checkout
	o.Services = bytes.Replace(o.Services, []byte(at), []byte(at+", "+string(ordersAt)+"/"+storefront.Checkout), 1)
	return pg
}

// TestAnAgentReadsAViewOfARealDatabase: an agent asks at its door, the runner reads under a role of that reading, the
// reading is redacted, recorded, kept and verified offline, and no process but the runner ever had the login.
func TestAnAgentReadsAViewOfARealDatabase(t *testing.T) {
	t.Parallel()
	var pg *testbed.Postgres
	x := prepareShop(t, func(x *counter, o *setup.Options) { pg = x.database(o) })
	sql := x.run(t, x.dir, "runner", "sql", string(ordersAt), "-c", x.in.Runner)
	if sql.code != 0 {
		t.Fatalf("%+v", sql)
	}
	must(t, pg.Exec("orders", sql.out))
	must(t, pg.Exec("orders", "ALTER ROLE writ_runner PASSWORD '"+ordersPassword+"'"))
	x.start()
	x.alarm()
	a := x.agent(t, diagnoser)
	ask := func(with string) answer {
		return a.call(t, "read_evidence", map[string]any{"incident": string(x.incident), "kind": "postgres/queue.depth", "target": string(ordersAt), "query": with})
	}
	out := ask("{}")
	words := strings.Fields(out.first())
	if out.refuse || len(words) < 2 || !strings.Contains(out.text, `"waiting":41`) || strings.Contains(out.text, "hunter2") {
		t.Fatalf("%s", out.text)
	}
	if out := ask(`{"shard":"eu' OR '1'='1"}`); !out.refuse || !strings.Contains(out.text, string(writ.ReasonParameterBound)) {
		t.Errorf("an injection: %s", out.text)
	}
	id := words[1]
	e, b, err := x.person.Evidence(t.Context(), writ.EvidenceID(id))
	must(t, err)
	if e.Facts["most"] != writ.Int(41) || e.Facts["rows"] != writ.Int(2) || !e.Writable || fmt.Sprint(e.Fields) != "[last_error]" || e.Redacted != 1 || e.KeptUntil.IsZero() || bytes.Contains(b, []byte("ada")) {
		t.Errorf("%+v %s", e, b)
	}
	if n, err := pg.Count("orders", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'writ\_read\_%'`); err != nil || n != 0 {
		t.Errorf("%d credentials outlive their reading: %v", n, err)
	}
	file := filepath.Join(t.TempDir(), "reading.json")
	write(t, file, []byte(x.wantCLI(t, 0, you, "evidence", "show", id, "-o", "json").out))
	bundle := filepath.Join(t.TempDir(), "bundle")
	x.wantCLI(t, 0, you, "ledger", "export", "-f", bundle)
	if r := x.run(t, x.dir, "evidence", "verify", file, "--bundle", bundle, "--trust", x.in.Verify); r.code != 0 || !strings.Contains(r.out, "VERIFIED") {
		t.Errorf("%+v", r)
	}
	for name, p := range x.procs {
		if log := string(read(t, p.log)); strings.Contains(log, ordersPassword) {
			t.Errorf("the log of %s holds the login", name)
		}
	}
}
