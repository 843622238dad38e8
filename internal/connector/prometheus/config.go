package prometheus

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Limits of a configuration.
const (
	MaxConfig  = 256 << 10
	maxQueries = 200
	maxPromQL  = 4000 // characters: a page of PromQL
	maxMinutes = 24 * 60
)

// Config is one Prometheus server, as its file says.
type Config struct {
	Target    string  `yaml:"target"`               // name: prometheus://<target>
	URL       string  `yaml:"url"`                  // https, or http on this host
	CAFile    string  `yaml:"ca_file,omitempty"`    // PEM; the system's if empty
	TokenFile string  `yaml:"token_file,omitempty"` // bearer token that may only read; a file or env:NAME
	Queries   []Query `yaml:"queries"`

	CA    []byte `yaml:"-"`
	Token []byte `yaml:"-"`
}

// Query is one question that may be asked.
type Query struct {
	Name   writ.OperationName `yaml:"name"` // prometheus/<noun>.<verb>
	Title  string             `yaml:"title"`
	PromQL string             `yaml:"promql"`          // as its owners wrote it; nothing is put into it
	Object string             `yaml:"object"`          // whose metrics these are, such as prometheus://main/checkout
	Range  bool               `yaml:"range,omitempty"` // over the last minutes, which are asked for; otherwise as of now
}

// ParseConfig reads a configuration's file strictly. It contacts nobody and reads no other file.
func ParseConfig(b []byte) (Config, error) {
	var c Config
	if len(b) > MaxConfig {
		return c, fmt.Errorf("%w: prometheus configuration: larger than %d bytes", writ.ErrInvalid, MaxConfig)
	}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&c); err != nil {
		line, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
		return Config{}, fmt.Errorf("%w: prometheus configuration: %s", writ.ErrInvalid, writ.Printable(string(line), 200))
	}
	return c, nil
}

// Load fills in the bytes of the files that c names.
func (c *Config) Load(read func(name string) ([]byte, error)) error {
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{c.CAFile, &c.CA}, {c.TokenFile, &c.Token}} {
		if f.name == "" {
			continue
		}
		b, err := read(f.name)
		if err != nil {
			return fmt.Errorf("prometheus target %s: %w", writ.Printable(c.Target, 60), err)
		}
		*f.to = b
	}
	return nil
}

func (q Query) check(target writ.Location) error {
	at, err := writ.ParseLocation(q.Object)
	switch {
	case err != nil || !at.Within(target) || len(at.Segments()) == 0:
		return fmt.Errorf("%w: object is a location within %s", writ.ErrInvalid, target)
	case q.PromQL == "" || len(q.PromQL) > maxPromQL:
		return fmt.Errorf("%w: promql has 1 to %d characters", writ.ErrInvalid, maxPromQL)
	}
	_, err = writ.ParseOperationName(string(q.Name))
	return err
}

// reader is the query as the catalogue shows it. Labels of metrics carry what clients sent: a path, a user agent.
func (q Query) reader() connector.Reader {
	number := func(name, title string) connector.Fact {
		return connector.Fact{Name: name, Type: connector.TypeInteger, Title: title}
	}
	r := connector.Reader{
		Name: q.Name, Title: q.Title, Writable: true, Parameters: []connector.Parameter{}, Fields: []string{"labels"},
		Facts: []connector.Fact{
			number("series", "series in the answer"), number("value_milli", "newest value in thousandths, if there is one series"),
			number("min_milli", "smallest value in thousandths"), number("max_milli", "largest value in thousandths"),
		},
	}
	if q.Range {
		r.Parameters = []connector.Parameter{{Name: "minutes", Type: connector.TypeInteger, Title: "how far back", Min: 1, Max: maxMinutes}}
	}
	return r
}
