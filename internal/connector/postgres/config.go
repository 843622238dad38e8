package postgres

import (
	"bytes"
	"fmt"
	"regexp"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Limits of a configuration.
const (
	MaxConfig   = 256 << 10
	maxViews    = 200
	maxColumns  = 40               // of a view: a person reads no wider table
	maxTakes    = 16               // parameters and facts of a view
	maxRows     = 1000             // of a reading: what is longer should be counted in the database
	maxBytes    = 1 << 20          // of the values of a reading
	maxTime     = 10 * time.Second // of a query: with its credential made and ended, a reading fits into an agent's wait of 20 s
	defaultRows = 100
	defaultSize = 64 << 10
	defaultTime = 5 * time.Second
)

// Config is one database, as its file says.
type Config struct {
	Target       string `yaml:"target"` // name: postgres://<target>
	Host         string `yaml:"host"`   // a name or an address; without TLS only this host
	Port         int    `yaml:"port"`
	Database     string `yaml:"database"`
	User         string `yaml:"user"`              // the runner's login: it can mint a reader and read nothing itself
	PasswordFile string `yaml:"password_file"`     // a file or env:NAME
	CAFile       string `yaml:"ca_file,omitempty"` // PEM; the system's if empty
	Views        []View `yaml:"views"`

	CA       []byte `yaml:"-"`
	Password []byte `yaml:"-"`
}

// View is one view that may be read, and how much of it.
type View struct {
	Name    writ.OperationName `yaml:"name"` // postgres/<noun>.<verb>
	Title   string             `yaml:"title"`
	View    string             `yaml:"view"`   // schema.name
	Object  string             `yaml:"object"` // whose rows these are, such as postgres://orders/checkout
	Columns []Column           `yaml:"columns"`
	Where   []Take             `yaml:"where,omitempty"`    // what an agent may choose rows by
	OrderBy string             `yaml:"order_by,omitempty"` // one of the columns; rows are read in its order
	Facts   []Fact             `yaml:"facts,omitempty"`
	MaxRows int                `yaml:"max_rows,omitempty"`
	MaxSize int                `yaml:"max_bytes,omitempty"`
	Seconds int                `yaml:"seconds,omitempty"` // that the query may take
}

// Column is one column that is read. Others of the view are not.
type Column struct {
	Name     string `yaml:"name"`
	Type     string `yaml:"type"`               // integer, number, bool, text or time
	Writable bool   `yaml:"writable,omitempty"` // users of the service, or attackers, write it
}

// Take is a parameter that is compared with a column; its value is bound, never text of the query.
type Take struct {
	Name     string   `yaml:"name"`
	Title    string   `yaml:"title"`
	Column   string   `yaml:"column"`
	Op       string   `yaml:"op"`   // equals, at_least or at_most
	Type     string   `yaml:"type"` // name, integer, bool or enum
	Optional bool     `yaml:"optional,omitempty"`
	Min      int64    `yaml:"min,omitempty"`
	Max      int64    `yaml:"max,omitempty"`
	Values   []string `yaml:"values,omitempty"`
}

// Fact is one value computed from all rows.
type Fact struct {
	Name   string `yaml:"name"`
	Title  string `yaml:"title"`
	Column string `yaml:"column"`
	As     string `yaml:"as"` // value (of the only row), min, max or sum
}

// The types of a column.
const (
	columnInteger = "integer"
	columnNumber  = "number" // any other number; its facts are in thousandths
	columnBool    = "bool"
	columnText    = "text"
	columnTime    = "time"
)

// The ways to make a fact of a column.
const (
	asValue = "value"
	asMin   = "min"
	asMax   = "max"
	asSum   = "sum"
)

// ParseConfig reads a configuration's file strictly. It contacts nobody and reads no other file.
func ParseConfig(b []byte) (Config, error) {
	var c Config
	if len(b) > MaxConfig {
		return c, fmt.Errorf("%w: postgres configuration: larger than %d bytes", writ.ErrInvalid, MaxConfig)
	}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&c); err != nil {
		line, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
		return Config{}, fmt.Errorf("%w: postgres configuration: %s", writ.ErrInvalid, writ.Printable(string(line), 200))
	}
	return c, nil
}

// Load fills in the bytes of the files that c names.
func (c *Config) Load(read func(name string) ([]byte, error)) error {
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{c.CAFile, &c.CA}, {c.PasswordFile, &c.Password}} {
		if f.name == "" {
			continue
		}
		b, err := read(f.name)
		if err != nil {
			return fmt.Errorf("postgres target %s: %w", writ.Printable(c.Target, 60), err)
		}
		*f.to = b
	}
	return nil
}

// plain is a name that needs no quotes in SQL; it is quoted all the same.
var plain = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// viewName is a schema and a view.
var viewName = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,62})\.([a-z_][a-z0-9_]{0,62})$`)

// check refuses a view that could not be bounded, and fills in its bounds.
func (v *View) check(target writ.Location) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", writ.ErrInvalid, fmt.Sprintf(format, args...))
	}
	if _, err := writ.ParseOperationName(string(v.Name)); err != nil {
		return err
	}
	at, err := writ.ParseLocation(v.Object)
	switch {
	case err != nil || !at.Within(target) || len(at.Segments()) == 0:
		return bad("object is a location within %s", target)
	case !viewName.MatchString(v.View):
		return bad("view is schema.name, of small letters, digits and '_'")
	case len(v.Columns) == 0 || len(v.Columns) > maxColumns:
		return bad("there must be 1 to %d columns", maxColumns)
	case len(v.Where) > maxTakes || len(v.Facts) > maxTakes:
		return bad("there may be %d parameters and %d facts", maxTakes, maxTakes)
	}
	for _, b := range []struct {
		what          string
		n             *int
		otherwise, to int
	}{
		{"max_rows", &v.MaxRows, defaultRows, maxRows}, {"max_bytes", &v.MaxSize, defaultSize, maxBytes},
		{"seconds", &v.Seconds, int(defaultTime / time.Second), int(maxTime / time.Second)},
	} {
		if *b.n == 0 {
			*b.n = b.otherwise
		}
		if *b.n < 1 || *b.n > b.to {
			return bad("%s is from 1 to %d", b.what, b.to)
		}
	}
	columns := map[string]Column{}
	for _, c := range v.Columns {
		if _, twice := columns[c.Name]; twice || !plain.MatchString(c.Name) {
			return bad("column %q appears twice or is no name of small letters, digits and '_'", writ.Printable(c.Name, 60))
		}
		switch c.Type {
		case columnInteger, columnNumber, columnBool, columnText, columnTime:
		default:
			return bad("column %s: type is integer, number, bool, text or time", c.Name)
		}
		columns[c.Name] = c
	}
	if _, is := columns[v.OrderBy]; v.OrderBy != "" && !is {
		return bad("order_by is one of the columns")
	}
	seen := map[string]bool{}
	for _, p := range v.Where {
		if err := p.check(); err != nil {
			return err
		}
		if seen[p.Name] {
			return bad("parameter %s appears twice", p.Name)
		}
		seen[p.Name] = true
	}
	facts := map[string]bool{factRows: true}
	for _, f := range v.Facts {
		if err := f.check(columns); err != nil {
			return err
		}
		if facts[f.Name] {
			return bad("fact %s appears twice; %q is the number of rows", f.Name, factRows)
		}
		facts[f.Name] = true
	}
	return nil
}

func (p Take) check() error {
	fits := map[string][]connector.Type{
		"equals":   {connector.TypeName, connector.TypeInteger, connector.TypeBool, connector.TypeEnum},
		"at_least": {connector.TypeInteger}, "at_most": {connector.TypeInteger},
	}
	ok := false
	for _, t := range fits[p.Op] {
		ok = ok || string(t) == p.Type
	}
	switch {
	case !writ.IsName(p.Name) || p.Title == "":
		return fmt.Errorf("%w: parameter %q needs a plain name and a title", writ.ErrInvalid, writ.Printable(p.Name, 40))
	case !plain.MatchString(p.Column):
		return fmt.Errorf("%w: parameter %s: column is a name of small letters, digits and '_'", writ.ErrInvalid, p.Name)
	case !ok:
		return fmt.Errorf("%w: parameter %s: op is equals, with type name, integer, bool or enum; or at_least or at_most, with type integer", writ.ErrInvalid, p.Name)
	}
	return nil
}

func (f Fact) check(columns map[string]Column) error {
	c, is := columns[f.Column]
	number := c.Type == columnInteger || c.Type == columnNumber
	switch {
	case !writ.IsName(f.Name) || f.Title == "":
		return fmt.Errorf("%w: fact %q needs a plain name and a title", writ.ErrInvalid, writ.Printable(f.Name, 40))
	case !is || c.Type == columnTime:
		return fmt.Errorf("%w: fact %s is of one of the columns, and of no time", writ.ErrInvalid, f.Name)
	case c.Writable:
		return fmt.Errorf("%w: fact %s is of column %s, which others write: nothing may be decided by it", writ.ErrInvalid, f.Name, c.Name)
	case f.As == asValue:
		return nil
	case !number || f.As != asMin && f.As != asMax && f.As != asSum:
		return fmt.Errorf("%w: fact %s: as is value or, of a number, min, max or sum", writ.ErrInvalid, f.Name)
	}
	return nil
}
