package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// factRows is the fact that every view has.
const factRows = "rows"

// maxText bounds one text in characters; the database cuts it, so that no row is larger than what may be read.
const maxText = 2000

// reader is the view as the catalogue shows it.
func (v View) reader() connector.Reader {
	r := connector.Reader{
		Name: v.Name, Title: v.Title, Parameters: []connector.Parameter{},
		Facts: []connector.Fact{{Name: factRows, Type: connector.TypeInteger, Title: "number of rows"}},
	}
	for _, c := range v.Columns {
		if c.Writable {
			r.Writable, r.Fields = true, append(r.Fields, c.Name)
		}
	}
	for _, p := range v.Where {
		r.Parameters = append(r.Parameters, connector.Parameter{
			Name: p.Name, Type: connector.Type(p.Type), Title: p.Title, Optional: p.Optional, Min: p.Min, Max: p.Max, Values: p.Values,
		})
	}
	for _, f := range v.Facts {
		typ := connector.TypeInteger
		switch v.column(f.Column).Type {
		case columnBool:
			typ = connector.TypeBool
		case columnText:
			typ = connector.TypeName
		}
		r.Facts = append(r.Facts, connector.Fact{Name: f.Name, Type: typ, Title: f.Title})
	}
	return r
}

func (v View) column(name string) Column {
	i := slices.IndexFunc(v.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}
	}
	return v.Columns[i]
}

func (v View) relation() string {
	schema, name, _ := strings.Cut(v.View, ".")
	return pgx.Identifier{schema, name}.Sanitize()
}

// query is the statement and what is bound to it. Its text is made of the configuration alone: what an agent passes only
// decides which comparisons of the configuration stand in it, and goes to the database as typed values beside it.
func (v View) query(with writ.Parameters) (string, []any) {
	var b strings.Builder
	var args []any
	b.WriteString("SELECT ")
	for i, c := range v.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.shown())
	}
	b.WriteString(" FROM " + v.relation())
	for _, p := range v.Where {
		given, is := with[p.Name]
		if !is {
			continue
		}
		if len(args) == 0 {
			b.WriteString(" WHERE ")
		} else {
			b.WriteString(" AND ")
		}
		column := pgx.Identifier{p.Column}.Sanitize()
		n := "$" + strconv.Itoa(len(args)+1)
		switch connector.Type(p.Type) {
		case connector.TypeInteger:
			i, _ := given.Int64()
			args = append(args, i)
			fmt.Fprintf(&b, "%s %s %s::bigint", column, sign[p.Op], n)
		case connector.TypeBool:
			t, _ := given.IsTrue()
			args = append(args, t)
			fmt.Fprintf(&b, "%s = %s::boolean", column, n)
		default:
			s, _ := given.Str()
			args = append(args, s)
			fmt.Fprintf(&b, "%s::text = %s::text", column, n)
		}
	}
	if v.OrderBy != "" {
		b.WriteString(" ORDER BY " + pgx.Identifier{v.OrderBy}.Sanitize())
	}
	b.WriteString(" LIMIT " + strconv.Itoa(v.MaxRows+1)) // one more says that there are more
	return b.String(), args
}

var sign = map[string]string{"equals": "=", "at_least": ">=", "at_most": "<="}

// shown is a column in a form that has one type here, whatever type it has there.
func (c Column) shown() string {
	name := pgx.Identifier{c.Name}.Sanitize()
	switch c.Type {
	case columnInteger:
		return name + "::bigint::text"
	case columnNumber:
		return "left(" + name + "::numeric::text, 40)"
	case columnBool:
		return name + "::boolean::text"
	case columnTime:
		return "to_char(" + name + "::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
	}
	return "left(" + name + "::text, " + strconv.Itoa(maxText+1) + ")" // one more says that it was longer
}
