package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// Limits of a definition that a person can look at and an agent can take in.
const (
	maxDescription = 4000     // characters
	maxSchema      = 32 << 10 // bytes of canonical JSON
	maxDefinition  = 64 << 10 // bytes of canonical JSON; more is not even compared
)

// IncidentArgument is the argument that Writ adds to every tool: for which incident the agent reads. No definition that
// has one of this name can be approved.
const IncidentArgument = "writ_incident"

// A Definition is what an upstream says of one of its tools: everything that a model would read or obey of it.
type Definition struct {
	V           int             `json:"v"`
	Upstream    string          `json:"upstream"` // equal tools of two upstreams are two
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"`
	Annotations *Annotations    `json:"annotations,omitempty"`

	twice bool // the upstream offers two tools of this name
}

// Annotations are what the upstream claims of the tool. They are hints, and count only against it.
type Annotations struct {
	ReadOnly    bool   `json:"read_only"`
	Destructive *bool  `json:"destructive,omitempty"`
	Idempotent  bool   `json:"idempotent"`
	OpenWorld   *bool  `json:"open_world,omitempty"`
	Title       string `json:"title,omitempty"`
}

// definition puts an offered tool in canonical form. Members of objects are sorted, and numbers and strings written one way.
func definition(upstream string, t *mcp.Tool) (Definition, error) {
	schema, err := canonical(t.InputSchema)
	if err != nil {
		return Definition{}, err
	}
	d := Definition{V: 1, Upstream: upstream, Name: t.Name, Description: t.Description, InputSchema: schema}
	if a := t.Annotations; a != nil {
		d.Annotations = &Annotations{ReadOnly: a.ReadOnlyHint, Destructive: a.DestructiveHint, Idempotent: a.IdempotentHint, OpenWorld: a.OpenWorldHint, Title: a.Title}
	}
	if n := len(d.Canonical()); n > maxDefinition {
		return Definition{}, fmt.Errorf("%w: a definition of %d bytes; the limit is %d", writ.ErrInvalid, n, maxDefinition)
	}
	return d, nil
}

func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: no JSON", writ.ErrInvalid)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// Canonical is the form that is stored, shown and digested.
func (d Definition) Canonical() []byte {
	b, err := canonical(d)
	if err != nil { // a schema that is no JSON, which definition does not make
		return nil
	}
	return b
}

// Digest binds upstream, name, description, input schema and annotations.
func (d Definition) Digest() writ.Digest {
	return writ.DigestOf(append([]byte("writ/upstream-tool/v1\x00"), d.Canonical()...))
}

// ParseDefinition parses what Canonical wrote.
func ParseDefinition(b []byte) (Definition, error) {
	var d Definition
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("%w: a definition of a tool: %w", writ.ErrInvalid, err)
	}
	if !bytes.Equal(d.Canonical(), b) {
		return d, fmt.Errorf("%w: a definition of a tool is not in canonical form", writ.ErrInvalid)
	}
	return d, nil
}

// Fit says why a definition can never be approved, or nil: a name or text that hides something, a schema that is not of
// the plain kind that arguments are checked against, or two tools of one name.
func (d Definition) Fit() error {
	unfit := func(format string, args ...any) error {
		return &writ.Refusal{Code: writ.ReasonToolUnfit, Kind: writ.ErrInvalid, Detail: fmt.Sprintf(format, args...), Hint: "have the upstream offer it in another form"}
	}
	if _, err := writ.ParseUpstreamToolName(writ.UpstreamToolName{Upstream: d.Upstream, Tool: d.Name}.String()); err != nil {
		return unfit("the name of the tool is not of lower-case letters, digits, _ and -")
	}
	if d.twice {
		return unfit("the upstream offers two tools of this name")
	}
	if n := len([]rune(d.Description)); n > maxDescription {
		return unfit("its description has %d characters; the limit is %d", n, maxDescription)
	}
	if len(d.InputSchema) > maxSchema {
		return unfit("its input schema has %d bytes; the limit is %d", len(d.InputSchema), maxSchema)
	}
	title := ""
	if d.Annotations != nil {
		title = d.Annotations.Title
	}
	for what, text := range map[string]string{"description": d.Description, "title": title, "input schema": unescaped(d.InputSchema)} {
		if hides(text) {
			return unfit("its %s holds characters that a reader would not see", what)
		}
	}
	s, err := parseSchema(d.InputSchema)
	if err != nil {
		return unfit("its input schema: %v", err)
	}
	if s.kinds != kindObject || len(s.any) > 0 {
		return unfit("its input schema is not that of an object")
	}
	if _, taken := s.properties[IncidentArgument]; taken {
		return unfit("it has an argument %s, which is Writ's own", IncidentArgument)
	}
	return nil
}

// unescaped joins all strings of a JSON value as a reader would see them.
func unescaped(b []byte) string {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return ""
	}
	var w strings.Builder
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			w.WriteString(v + "\n")
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				w.WriteString(k + "\n")
				walk(e)
			}
		}
	}
	walk(v)
	return w.String()
}

// hides reports characters that a reader does not see; line breaks and tabs are no secret.
func hides(s string) bool {
	s = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s)
	return writ.Printable(s, len(s)+1) != s
}

// Writes says in which respect a definition looks like one that changes something, or is empty. That it looks like a
// reading proves nothing: the credential is what keeps it one.
func (d Definition) Writes() string {
	switch a := d.Annotations; {
	case a == nil || !a.ReadOnly:
		return "it is not annotated as reading only"
	case a.Destructive != nil && *a.Destructive:
		return "it is annotated as destructive"
	}
	for word := range strings.FieldsFuncSeq(d.Name, func(r rune) bool { return r == '_' || r == '-' }) {
		if slices.Contains(changing, word) {
			return "its name says " + word
		}
	}
	return ""
}

// changing are words in the names of tools that change something. The list is for people's eyes, not a boundary.
var changing = []string{
	"add", "annotate", "apply", "approve", "assign", "attach", "cancel", "change", "clear", "clone", "close", "commit", "configure", "connect", "cordon",
	"create", "delete", "deploy", "destroy", "detach", "disable", "drain", "drop", "edit", "enable", "evict", "exec", "execute", "force", "fork", "grant",
	"import", "insert", "install", "invoke", "kill", "label", "merge", "modify", "move", "patch", "pause", "post", "promote", "publish", "purge", "push",
	"put", "reboot", "remove", "rename", "replace", "reset", "resize", "restart", "restore", "resume", "revert", "revoke", "rollback", "rotate", "run",
	"save", "scale", "send", "set", "shell", "silence", "start", "stop", "submit", "suspend", "sync", "taint", "terminate", "trigger", "truncate",
	"uncordon", "uninstall", "unset", "update", "upgrade", "upload", "upsert", "write",
}
