package postgres_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/connector/postgres"
)

var testCA = func() []byte {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	b, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b})
}()

const good = `target: orders
host: db.example
port: 5432
database: orders
user: writ_runner
password_file: pw
views:
- name: postgres/queue.depth
  title: depth of the queue
  view: diagnosis.depth
  object: postgres://orders/checkout
  columns: [{name: depth, type: integer}, {name: note, type: text, writable: true}]
  where: [{name: shard, title: shard, column: shard, op: equals, type: name}]
  facts: [{name: depth, title: depth, column: depth, as: value}]
  order_by: depth
  max_rows: 10
`

func connect(text string) (*postgres.Connector, error) {
	c, err := postgres.ParseConfig([]byte(text))
	if err == nil {
		err = c.Load(func(string) ([]byte, error) { return []byte("secret"), nil })
	}
	if err != nil {
		return nil, err
	}
	return postgres.New(c, postgres.Options{Now: time.Now, Rand: rand.Reader})
}

func TestConfigurationsThatCannotBeBoundedAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"a location as its target":  {"target: orders", "target: orders/x"},
		"no password":               {"password_file: pw\n", ""},
		"a host with options":       {"host: db.example", "host: 'db.example sslmode=disable'"},
		"a user with quotes":        {"user: writ_runner", "user: 'x\"y'"},
		"a view with a query":       {"diagnosis.depth", "'diagnosis.depth; DROP TABLE x'"},
		"a column with a query":     {"name: depth, type", "name: 'depth FROM x', type"},
		"a column of another type":  {"type: integer}", "type: money}"},
		"a column twice":            {"name: note", "name: depth"},
		"a comparison of a name":    {"op: equals", "op: at_least"},
		"an operator of its own":    {"op: equals", "op: '= 1 OR 1'"},
		"free text":                 {"type: name", "type: text"},
		"an order by no column":     {"order_by: depth", "order_by: '1; DROP'"},
		"too many rows":             {"max_rows: 10", "max_rows: 1001"},
		"a negative number of rows": {"max_rows: 10", "max_rows: -1"},
		"a fact that others write":  {"column: depth, as: value", "column: note, as: value"},
		"a sum of a text":           {"column: depth, as: value", "column: note, as: sum"},
		"a fact of no column":       {"column: depth, as: value", "column: other, as: value"},
		"the fact of all views":     {"facts: [{name: depth", "facts: [{name: rows"},
		"an object elsewhere":       {"postgres://orders/checkout", "kubernetes://orders/checkout"},
		"the whole database":        {"postgres://orders/checkout", "postgres://orders"},
		"another plane's name":      {"postgres/queue.depth", "kubernetes/queue.depth"},
		"an unknown key":            {"order_by", "orderby"},
	} {
		if !strings.Contains(good, change[0]) {
			t.Fatalf("%s: the configuration has no %q", name, change[0])
		}
		if _, err := connect(strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	x, err := connect(good)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(x.Catalogue())
	if err != nil || strings.Contains(string(b), "null") { // the control plane takes no null
		t.Errorf("the catalogue: %s %v", b, err)
	}
	sql, err := x.Setup()
	if err != nil || !strings.Contains(sql, `GRANT SELECT ON "diagnosis"."depth" TO "writ_views_orders"`) || strings.Contains(sql, "secret") {
		t.Errorf("%v\n%s", err, sql)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(good)
	f.Fuzz(func(t *testing.T, text string) {
		x, err := connect(text)
		if err != nil {
			return
		}
		sql, err := x.Setup()
		if err != nil || strings.Contains(sql, ";;") {
			t.Errorf("%v\n%s", err, sql)
		}
	})
}
