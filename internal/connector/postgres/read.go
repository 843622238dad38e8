package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/redact"
)

// A table is what was read: a text a value, nil for NULL.
type table struct {
	rows [][]*string
	more bool // there were more rows, or bytes, than the view's bounds
	cut  bool // a text was longer than what is shown of one
}

// read mints, reads, ends and proves, in this order. A reading whose credential cannot be proven dead is none.
func (x *Connector) read(ctx context.Context, v View, q connector.Query) (connector.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(v.Seconds)*time.Second+leaseMargin)
	defer cancel()
	l, err := x.mint(ctx, v)
	var t table
	if err == nil {
		t, err = x.rows(ctx, v, l, q.With)
	}
	if l.name != "" {
		if bad := x.end(ctx, l); err == nil {
			err = bad
		}
	}
	if err != nil {
		return connector.Reading{}, err
	}
	out := connector.Reading{Source: "SELECT FROM " + v.View + " (" + string(v.Name) + ")", At: x.now(), Writable: v.reader().Writable, Truncated: t.more || t.cut}
	if !t.more { // facts are about all rows or about none
		out.Facts = v.facts(t.rows)
	}
	return out, v.fill(&out, t.rows, max(q.Limit, 0))
}

// rows reads under the lease, in a transaction that is read-only, after the database has said that the lease is as narrow
// as it should be.
func (x *Connector) rows(ctx context.Context, v View, l lease, with writ.Parameters) (table, error) {
	c, err := x.asReader(ctx, l)
	if err != nil {
		return table{}, x.refused(err)
	}
	defer closing(c)
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return table{}, x.refused(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it changed nothing
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = "+strconv.Itoa(v.Seconds*1000)); err != nil {
		return table{}, x.refused(err)
	}
	if err := x.narrow(ctx, tx); err != nil {
		return table{}, err
	}
	text, args := v.query(with)
	found, err := tx.Query(ctx, text, args...)
	if err != nil {
		return table{}, x.refused(err)
	}
	defer found.Close()
	var t table
	size := 0
	for found.Next() {
		line := make([]*string, len(v.Columns))
		to := make([]any, len(line))
		for i := range line {
			to[i] = &line[i]
		}
		if err := found.Scan(to...); err != nil {
			return table{}, x.refused(err)
		}
		for i, s := range line {
			if s == nil {
				continue
			}
			if v.Columns[i].Type == columnText && utf8.RuneCountInString(*s) > maxText {
				short := redact.Unfinished(string([]rune(*s)[:maxText]))
				line[i], t.cut = &short, true
			}
			size += len(*line[i])
		}
		if len(t.rows) == v.MaxRows || size > v.MaxSize {
			t.more = true
			return t, nil
		}
		t.rows = append(t.rows, line)
	}
	if err := found.Err(); err != nil {
		return table{}, x.refused(err)
	}
	return t, nil
}

// wide finds a power that a reader should not have: an attribute of its role, a second membership, or any right on a
// relation other than to read a view of the configuration or, as everybody may, what an extension brought.
const wide = `SELECT current_setting('transaction_read_only') <> 'on'
 OR EXISTS (SELECT FROM pg_roles WHERE rolname IN (current_user, $2) AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls))
 OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname NOT IN (current_user, $2) AND pg_has_role(current_user, r.oid, 'MEMBER'))
 OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') OR has_any_column_privilege(c.oid, 'INSERT, UPDATE, REFERENCES')
     OR has_any_column_privilege(c.oid, 'SELECT') AND n.nspname || '.' || c.relname <> ALL ($1)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')))`

func (x *Connector) narrow(ctx context.Context, tx pgx.Tx) error {
	var views []string
	for _, v := range x.views {
		views = append(views, v.View)
	}
	var much bool
	if err := tx.QueryRow(ctx, wide, views, x.group()).Scan(&much); err != nil {
		return x.refused(err)
	}
	if much {
		return writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("a reader of %s may do more than read the views of its configuration; nothing was read", x.target))
	}
	return nil
}

// facts are computed from all rows. A NULL, or what does not fit its type, leaves a fact out, and then no condition on it
// holds.
func (v View) facts(rows [][]*string) writ.Observation {
	o := writ.Observation{factRows: writ.Int(int64(len(rows)))}
	for _, f := range v.Facts {
		for i, c := range v.Columns {
			if c.Name != f.Column {
				continue
			}
			var all []*string
			for _, r := range rows {
				all = append(all, r[i])
			}
			if value, ok := f.of(c, all); ok {
				o[f.Name] = value
			}
		}
	}
	return o
}

func (f Fact) of(c Column, all []*string) (writ.Value, bool) {
	if len(all) == 0 || f.As == asValue && len(all) != 1 {
		return writ.Value{}, false
	}
	for _, s := range all {
		if s == nil {
			return writ.Value{}, false
		}
	}
	switch c.Type {
	case columnBool:
		return writ.Bool(*all[0] == "true"), true
	case columnText:
		return writ.String(*all[0]), writ.IsName(*all[0])
	}
	var out int64
	for i, s := range all {
		n, ok := whole(c, *s)
		switch {
		case !ok:
			return writ.Value{}, false
		case i == 0:
			out = n
		case f.As == asMin:
			out = min(out, n)
		case f.As == asMax:
			out = max(out, n)
		default:
			out += n // of at most 1000 numbers of 53 bits
		}
	}
	return writ.Int(out), -canon.MaxInt <= out && out <= canon.MaxInt
}

// whole reads a number as an integer: of a column of other numbers, in thousandths, rounded half up.
func whole(c Column, s string) (int64, bool) {
	if c.Type == columnInteger {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && -canon.MaxInt <= n && n <= canon.MaxInt
	}
	if len(s) > 39 { // cut by the database: no number that counts has as many digits
		return 0, false
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false // NaN, Infinity
	}
	f, _ := r.Mul(r, big.NewRat(1000, 1)).Float64()
	f = math.Round(f)
	return int64(f), math.Abs(f) <= canon.MaxInt
}

// fill renders one row a line, redacted, in whole lines until the limit.
func (v View) fill(r *connector.Reading, rows [][]*string, limit int) error {
	lines := make([]any, len(rows))
	for i, row := range rows {
		line := make(map[string]any, len(row))
		for i, c := range v.Columns {
			line[c.Name] = c.value(row[i])
		}
		lines[i] = line
	}
	clean, n := redact.Value(lines)
	r.Redacted = n
	var b bytes.Buffer
	for _, line := range clean.([]any) {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(line); err != nil {
			return fmt.Errorf("%w: reading: %v", writ.ErrInvalid, err)
		}
		if b.Len()+text.Len() > limit {
			r.Truncated = true
			break
		}
		b.Write(text.Bytes())
	}
	r.Bytes = b.Bytes()
	return nil
}

// value is a value of a row as JSON has it. Integers that JSON readers would round stay texts, as other numbers do.
func (c Column) value(s *string) any {
	switch {
	case s == nil:
		return nil
	case c.Type == columnBool:
		return *s == "true"
	case c.Type == columnInteger:
		if n, ok := whole(c, *s); ok {
			return json.Number(strconv.FormatInt(n, 10))
		}
	}
	return *s
}
