package httpapi

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
)

// MaxConfig bounds a configuration file: a hundred operations take about 100 KiB.
const MaxConfig = 1 << 20

// A Config describes one HTTP target. The members that name files (…File) are for whoever loads them: New reads only
// the bytes beside them.
type Config struct {
	Target       string            `yaml:"target" json:"target"`     // a label; the location is httpapi://<target>
	BaseURL      string            `yaml:"base_url" json:"base_url"` // https, or http to a loopback address
	DocumentFile string            `yaml:"document" json:"document"` // OpenAPI 3, JSON or YAML
	CAFile       string            `yaml:"ca,omitempty" json:"ca,omitempty"`
	Token        TokenConfig       `yaml:"token" json:"token"`
	Operations   []OperationConfig `yaml:"operations" json:"operations"`
	Readers      []ReaderConfig    `yaml:"readers" json:"readers"`

	Document []byte `yaml:"-" json:"-"`
	CA       []byte `yaml:"-" json:"-"` // PEM; empty: the machine's roots
}

// Grants of TokenConfig.
const (
	GrantClientCredentials = "client_credentials" // RFC 6749 section 4.4
	GrantTokenExchange     = "token_exchange"     // RFC 8693, on a subject token that has no power of its own
)

// A TokenConfig describes the OAuth endpoints that mint and end access tokens.
type TokenConfig struct {
	Endpoint   string `yaml:"endpoint" json:"endpoint"`
	Revocation string `yaml:"revocation" json:"revocation"` // RFC 7009
	Grant      string `yaml:"grant" json:"grant"`

	// SubjectScope is the scope of the subject token of GrantTokenExchange. A token with it alone must be good for
	// nothing but to be exchanged, and revoking it must end what was exchanged for it.
	SubjectScope string `yaml:"subject_scope,omitempty" json:"subject_scope,omitempty"`

	// LifeParameter names a parameter of the endpoint by which a client asks for a shorter life in seconds; empty:
	// there is none, and the endpoint's own life must be within what a run allows.
	LifeParameter string `yaml:"life_parameter,omitempty" json:"life_parameter,omitempty"`

	Reader  ClientConfig   `yaml:"reader" json:"reader"`   // of Observe and Plan; must not be able to write
	Clients []ClientConfig `yaml:"clients" json:"clients"` // of leases, one for each class of authority
}

// A ClientConfig is one OAuth client (RFC 6749 section 2.3.1, HTTP Basic).
type ClientConfig struct {
	ID         string    `yaml:"id" json:"id"`
	SecretFile string    `yaml:"secret" json:"secret"`
	Scope      string    `yaml:"scope,omitempty" json:"scope,omitempty"` // Reader: what it asks for
	Tier       writ.Tier `yaml:"tier,omitempty" json:"tier,omitzero"`    // Clients: the highest tier whose leases it mints
	Secret     []byte    `yaml:"-" json:"-"`
}

// An OperationConfig puts one operation of the document on the allow-list.
type OperationConfig struct {
	Name           writ.OperationName `yaml:"name" json:"name"` // httpapi/<noun>.<verb>
	OperationID    string             `yaml:"operation_id" json:"operation_id"`
	Tier           writ.Tier          `yaml:"tier" json:"tier"`
	Title          string             `yaml:"title" json:"title"`   // {parameter} stands for a value
	Object         string             `yaml:"object" json:"object"` // path of the location: services/{service}
	Read           string             `yaml:"read" json:"read"`     // operationId of the GET that gives the object's state and ETag
	UID            string             `yaml:"uid" json:"uid"`       // JSON pointer into the state: an identity that survives a rename
	ChangedBy      string             `yaml:"changed_by,omitempty" json:"changed_by,omitempty"`
	ChangedKey     string             `yaml:"changed_key,omitempty" json:"changed_key,omitempty"` // where the state repeats the last write's Idempotency-Key
	Scope          string             `yaml:"scope" json:"scope"`                                 // of a lease; {parameter} stands for a path parameter
	Parameters     []ParameterConfig  `yaml:"parameters,omitempty" json:"parameters,omitempty"`
	Fields         map[string]string  `yaml:"fields,omitempty" json:"fields,omitempty"` // body parameter -> JSON pointer into the state
	Inverse        InverseConfig      `yaml:"inverse" json:"inverse"`
	Blast          BlastConfig        `yaml:"blast" json:"blast"`
	TimeoutSeconds int                `yaml:"timeout_seconds,omitempty" json:"timeout_seconds,omitempty"`
}

// A ParameterConfig renames a parameter of the document or narrows its bounds; it cannot widen them.
type ParameterConfig struct {
	Name     string   `yaml:"name" json:"name"`
	Document string   `yaml:"document,omitempty" json:"document,omitempty"` // its name in the document; empty: the same
	Title    string   `yaml:"title,omitempty" json:"title,omitempty"`
	Min      *int64   `yaml:"min,omitempty" json:"min,omitempty"`
	Max      *int64   `yaml:"max,omitempty" json:"max,omitempty"`
	Values   []string `yaml:"values,omitempty" json:"values,omitempty"`
}

// An InverseConfig says how the operation is undone: not at all (kind none), or by one call (kind call) whose body is
// taken from the state before.
type InverseConfig struct {
	Kind        writ.InverseKind  `yaml:"kind" json:"kind"`
	OperationID string            `yaml:"operation_id,omitempty" json:"operation_id,omitempty"` // empty: the same operation
	Scope       string            `yaml:"scope,omitempty" json:"scope,omitempty"`               // empty: the same scope
	From        map[string]string `yaml:"from,omitempty" json:"from,omitempty"`                 // body parameter -> JSON pointer; empty: Fields
	Title       string            `yaml:"title,omitempty" json:"title,omitempty"`
}

// A BlastConfig says where the blast radius is read. What is neither given nor found counts as the largest.
type BlastConfig struct {
	Replicas     *int   `yaml:"replicas,omitempty" json:"replicas,omitempty"`
	ReplicasFrom string `yaml:"replicas_from,omitempty" json:"replicas_from,omitempty"` // JSON pointer into the state
	Permille     *int   `yaml:"permille,omitempty" json:"permille,omitempty"`
	PermilleFrom string `yaml:"permille_from,omitempty" json:"permille_from,omitempty"`
	ReadyFrom    string `yaml:"ready_from,omitempty" json:"ready_from,omitempty"` // units of the object that are ready; given, the floor is watched over
	Down         *int   `yaml:"down,omitempty" json:"down,omitempty"`             // of those, how many go away at once; 1 if left out
	Floor        *int   `yaml:"floor,omitempty" json:"floor,omitempty"`           // how many must be left; all but one of replicas if left out
	FloorFrom    string `yaml:"floor_from,omitempty" json:"floor_from,omitempty"`
}

// A ReaderConfig puts one GET operation on the allow-list.
type ReaderConfig struct {
	Name        writ.OperationName `yaml:"name" json:"name"`
	OperationID string             `yaml:"operation_id" json:"operation_id"`
	Title       string             `yaml:"title" json:"title"`
	Object      string             `yaml:"object" json:"object"`
	Parameters  []ParameterConfig  `yaml:"parameters,omitempty" json:"parameters,omitempty"`
	Facts       []FactConfig       `yaml:"facts,omitempty" json:"facts,omitempty"`
	Writable    bool               `yaml:"writable,omitempty" json:"writable,omitempty"`               // users of the service write into what it reads
	Fields      []string           `yaml:"writable_fields,omitempty" json:"writable_fields,omitempty"` // only into these, such as items.comment; none means all of it
}

// A FactConfig takes one value out of a JSON answer.
type FactConfig struct {
	Name    string `yaml:"name" json:"name"`
	Pointer string `yaml:"pointer" json:"pointer"`
	Type    string `yaml:"type" json:"type"` // integer, bool or name
	Title   string `yaml:"title" json:"title"`
}

// ParseConfig reads a configuration file strictly. It reads no other file.
func ParseConfig(b []byte) (Config, error) {
	var c Config
	if len(b) > MaxConfig {
		return c, fmt.Errorf("%w: httpapi configuration: larger than %d bytes", writ.ErrInvalid, MaxConfig)
	}
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	if err := d.Decode(&c); err != nil {
		line, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
		return Config{}, fmt.Errorf("%w: httpapi configuration: %s", writ.ErrInvalid, writ.Printable(string(line), 200))
	}
	return c, nil
}

// Load fills in the bytes of the files that c names, with read, which is given each name as c has it.
func (c *Config) Load(read func(name string) ([]byte, error)) error {
	get := func(what, name string, to *[]byte) error {
		b, err := read(name)
		if err != nil {
			return fmt.Errorf("httpapi target %s: %s: %w", writ.Printable(c.Target, 60), what, err)
		}
		*to = b
		return nil
	}
	if err := get("document", c.DocumentFile, &c.Document); err != nil {
		return err
	}
	if c.CAFile != "" {
		if err := get("ca", c.CAFile, &c.CA); err != nil {
			return err
		}
	}
	if err := get("token.reader.secret", c.Token.Reader.SecretFile, &c.Token.Reader.Secret); err != nil {
		return err
	}
	for i := range c.Token.Clients {
		if err := get("token.clients.secret", c.Token.Clients[i].SecretFile, &c.Token.Clients[i].Secret); err != nil {
			return err
		}
	}
	return nil
}

// defaultTimeout of one call, in seconds.
const defaultTimeout = 30

// maxTimeout bounds how long one call may take.
const maxTimeout = 5 * time.Minute

// check refuses what New could not build on.
func (c Config) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: httpapi target %s: %s", writ.ErrInvalid, writ.Printable(c.Target, 60), fmt.Sprintf(format, args...))
	}
	if l, err := writ.ParseLocation("httpapi://" + c.Target); err != nil || len(l.Segments()) > 0 {
		return bad("target must be a plain name")
	}
	for name, u := range map[string]string{"base_url": c.BaseURL, "token.endpoint": c.Token.Endpoint, "token.revocation": c.Token.Revocation} {
		if err := checkURL(u); err != nil {
			return bad("%s %v", name, err)
		}
	}
	switch c.Token.Grant {
	case GrantClientCredentials:
	case GrantTokenExchange:
		if !isScope(c.Token.SubjectScope) {
			return bad("token.subject_scope must be the one scope of the subject token")
		}
	default:
		return bad("token.grant must be %s or %s", GrantClientCredentials, GrantTokenExchange)
	}
	if c.Token.Reader.ID == "" || len(c.Token.Reader.Secret) == 0 || !isScope(c.Token.Reader.Scope) {
		return bad("token.reader needs id, secret and one scope")
	}
	for i, k := range c.Token.Clients {
		if k.ID == "" || len(k.Secret) == 0 || k.Tier < writ.T1 || !k.Tier.Valid() {
			return bad("token.clients[%d] needs id, secret and tier (T1 to T4)", i)
		}
	}
	if !slices.IsSortedFunc(c.Token.Clients, func(a, b ClientConfig) int { return int(a.Tier - b.Tier) }) {
		return bad("token.clients must be ordered by tier, lowest first")
	}
	return nil
}

// checkURL takes https, and plain http on loopback only: a token must not cross a network in the clear.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("must be a plain URL without user, query and fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http":
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
			return nil
		}
	}
	return fmt.Errorf("must be https (http only to a loopback address)")
}

// isScope reports whether s is one scope token (RFC 6749 section 3.3).
func isScope(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return s != ""
}
