package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

const runnerOfDatabase = `id: spiffe://writ.test/runner/one
control: {url: "https://127.0.0.1:1", key: "sha256:aa"}
key: runner.pem
journal: journal.db
trust: {file: trust.json, owners: [owner.pub], threshold: 1}
targets: [{location: "postgres://orders", connector: orders.yaml}]
`

const orders = `target: orders
host: 127.0.0.1
port: 5432
database: orders
user: writ_runner
password_file: orders.password
views:
- {name: postgres/queue.depth, title: depth, view: diagnosis.depth, object: "postgres://orders/checkout", columns: [{name: depth, type: integer}]}
`

func TestRunnerSQLPrintsWhatLetsARunnerReadItsViewsAndNoSecret(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"runner.yaml": runnerOfDatabase, "orders.yaml": orders, "orders.password": "canary-55\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "runner.yaml")
	code, out, errs := cli(t, "runner", "sql", "postgres://orders", "-c", file)
	if code != 0 || !strings.Contains(out, `GRANT SELECT ON "diagnosis"."depth" TO "writ_views_orders"`) || strings.Contains(out+errs, "canary-55") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if code, out, errs := cli(t, "runner", "sql", "postgres://other", "-c", file); code == 0 || out != "" || !strings.Contains(errs, "postgres://orders") {
		t.Errorf("of another target: %d %s%s", code, out, errs)
	}
}

func TestR27EvidenceVerifySaysWhatItCannotTellAndFindsAChangedByte(t *testing.T) {
	dir := t.TempDir()
	salt := [writ.SaltSize]byte{7}
	c := writ.EvidenceContent{Bytes: []byte("ready 1 of 3"), Salt: salt[:]}
	c.Evidence.ID, c.Evidence.Commitment = "ev_01JDB3Y70000000000000000AA", writ.Commit(salt, writ.EvidenceBlob, c.Bytes)
	c.Evidence.Incident, c.Evidence.AskedBy = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD", writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.example", Sub: "ann"}
	c.Evidence.Query = writ.Query{Reader: "kubernetes/workload.status", Target: "kubernetes://prod"}
	save := func(c writ.EvidenceContent) string {
		t.Helper()
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "reading.json")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	code, out, errs := cli(t, "evidence", "verify", save(c))
	if code != exitUncertain || !strings.Contains(out, "✔ content") || !strings.Contains(out, "CANNOT TELL") {
		t.Errorf("an honest reading without a ledger: %d %s%s", code, out, errs)
	}
	c.Bytes[0] ^= 1
	code, out, errs = cli(t, "evidence", "verify", save(c))
	if code != exitDiffers || !strings.Contains(out, "NOT VERIFIED") {
		t.Errorf("a changed byte: %d %s%s", code, out, errs)
	}
	code, _, errs = cli(t, "evidence", "verify", save(c), "--bundle", "x")
	if code != exitUsage || !strings.Contains(errs, "--trust") {
		t.Errorf("a bundle without trust: %d %s", code, errs)
	}
	if code, _, errs := cli(t, "evidence", "verify", filepath.Join(dir, "none.json")); code == 0 || !strings.Contains(errs, "none.json") {
		t.Errorf("no such file: %d %s", code, errs)
	}
}
