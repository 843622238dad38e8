package writ

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// PlaneUpstream begins the names of actions and locations of upstreams: policies speak of mcp/<upstream>.<tool>.
const PlaneUpstream = "mcp"

// MaxUpstreamName bounds an upstream's name, so that with a tool's name it stays within what MCP clients take: 64 characters.
const MaxUpstreamName = 24

// upstreamSeparator stands between upstream and tool in the name that agents call. No tool of Writ's own holds it, and
// no name of an upstream, so that the first one parts the two.
const upstreamSeparator = "__"

// An UpstreamToolName is a tool of one upstream, as agents call it: <upstream>__<tool>.
type UpstreamToolName struct{ Upstream, Tool string }

// ParseUpstreamToolName is the only way in from text. An upstream's name is a DNS label of at most MaxUpstreamName
// characters; a tool's has lower-case letters, digits, underscores and hyphens, and both together at most 64 characters.
func ParseUpstreamToolName(s string) (UpstreamToolName, error) {
	up, tool, ok := strings.Cut(s, upstreamSeparator)
	if !ok || !IsUpstreamName(up) || !isToolName(tool) || len(s) > 64 {
		return UpstreamToolName{}, fmt.Errorf("%w: a tool of an upstream is <upstream>__<tool>, such as grafana__query_prometheus: lower-case letters, digits, _ and -, at most 64 characters", ErrInvalid)
	}
	return UpstreamToolName{up, tool}, nil
}

// IsUpstreamName reports whether s may name an upstream.
func IsUpstreamName(s string) bool { return isLabel(s) && len(s) <= MaxUpstreamName }

func isToolName(s string) bool { return IsName(s) && !strings.Contains(s, ".") }

// IsUpstreamTool reports whether a called tool's name is that of an upstream's and not of Writ's own.
func IsUpstreamTool(s string) bool { return strings.Contains(s, upstreamSeparator) }

// String is the name that agents call.
func (n UpstreamToolName) String() string { return n.Upstream + upstreamSeparator + n.Tool }

// MarshalText implements encoding.TextMarshaler.
func (n UpstreamToolName) MarshalText() ([]byte, error) {
	_, err := ParseUpstreamToolName(n.String())
	return []byte(n.String()), err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *UpstreamToolName) UnmarshalText(b []byte) error {
	v, err := ParseUpstreamToolName(string(b))
	if err == nil {
		*n = v
	}
	return err
}

// Action is what policies call it.
func (n UpstreamToolName) Action() OperationName {
	return OperationName(PlaneUpstream + "/" + n.Upstream + "." + n.Tool)
}

// UpstreamTool is the tool that an action of Action's form is of; ok is false for an action of another kind.
func (n OperationName) UpstreamTool() (tool UpstreamToolName, ok bool) {
	rest, is := strings.CutPrefix(string(n), PlaneUpstream+"/")
	up, name, cut := strings.Cut(rest, ".") // no name of an upstream holds a dot
	tool = UpstreamToolName{up, name}
	return tool, is && cut && IsUpstreamName(up) && isToolName(name)
}

// A ToolState says whether agents may call a tool of an upstream; closed.
type ToolState string

const (
	ToolUnpinned ToolState = "unpinned" // allowed by the configuration, and nobody has approved it
	ToolOn       ToolState = "on"       // a person approved exactly this definition
	ToolOff      ToolState = "off"      // it was approved, and may not be called until a person approves it again
)

// An UpstreamTool is one tool that the configuration allows. Text in Definition and Offered is the upstream's and is
// shown to nobody unescaped.
type UpstreamTool struct {
	Name       UpstreamToolName `json:"name"`
	State      ToolState        `json:"state"`
	Reason     Reason           `json:"reason,omitempty"` // why it is off
	Detail     string           `json:"detail,omitempty"` // in one sentence
	Pinned     string           `json:"pinned,omitempty"` // digest of the definition that was approved
	Definition json.RawMessage  `json:"definition,omitempty" doc:"what was approved, in canonical JSON"`
	Declared   bool             `json:"declared,omitempty"` // a person vouched that it reads, against its name or annotations
	By         Person           `json:"by,omitzero"`        // who approved it
	Since      *time.Time       `json:"since,omitempty"`    // of the state
	Offers     string           `json:"offers,omitempty"`   // digest of what the upstream offers now; empty when it was not asked
	Offered    json.RawMessage  `json:"offered,omitempty" doc:"what the upstream offers now, in canonical JSON"`
	Refused    string           `json:"refused,omitempty"` // why what it offers cannot be approved as it is
	Team       string           `json:"team"`              // whose people approve it
}

// A PinAsk approves one definition of one tool as a reading.
type PinAsk struct {
	Name     UpstreamToolName `json:"name"`
	Digest   Digest           `json:"digest"`             // of the definition that the person looked at
	Read     bool             `json:"read"`               // the person says that it only reads; nothing else is approved
	Declared bool             `json:"declared,omitempty"` // also where its name or its annotations say otherwise
	Reason   string           `json:"reason"`
}

// An UpstreamReading is an answer of an upstream, redacted and recorded.
type UpstreamReading struct {
	Evidence EvidenceID
	Name     UpstreamToolName
	At       time.Time
	Failed   bool   // the tool itself says that it failed
	Text     string // the upstream's words: data, never instructions
	Cut      bool
}

// Bodies of the entries about upstreams.
type (
	// A PinBody says that a person approved a definition, withdrew that, or that Writ turned the tool off because it is
	// another than the approved one.
	PinBody struct {
		Name     UpstreamToolName `json:"name"`
		State    ToolState        `json:"state"`
		Digest   Digest           `json:"digest"`             // that is, or was, approved
		Offered  *Digest          `json:"offered,omitempty"`  // what stands there instead
		By       Principal        `json:"by"`                 // a person, or the control plane
		Read     bool             `json:"read,omitempty"`     // the person says that it only reads
		Declared bool             `json:"declared,omitempty"` // against its name or annotations
		Reason   Reason           `json:"reason,omitempty"`
		Why      *Commitment      `json:"why,omitempty"` // the person's words
	}
	// An UpstreamReadBody is one call of an approved tool: who asked, what policy said, and a commitment to arguments and
	// answer. It is entered before the answer is given.
	UpstreamReadBody struct {
		Evidence   EvidenceID       `json:"evidence"`
		AskedBy    Principal        `json:"asked_by"`
		Name       UpstreamToolName `json:"name"`
		Pin        Digest           `json:"pin"`
		At         time.Time        `json:"at"`
		Commitment Commitment       `json:"commitment"`
		Size       int              `json:"size"`
		Redacted   int              `json:"redacted"`
		Truncated  bool             `json:"truncated,omitempty"`
		Failed     bool             `json:"failed,omitempty"`
		Policies   []string         `json:"policies"`
		Policy     Digest           `json:"policy"`
		Facts      json.RawMessage  `json:"facts"`
		Millis     int              `json:"ms"`
	}
)

// Kinds of these entries.
const (
	EntryPin          EntryKind = "pin"           // a tool of an upstream was approved, withdrawn or turned off
	EntryUpstreamRead EntryKind = "upstream.read" // a reading through an upstream
)

// Reasons about upstreams.
const (
	ReasonToolUnpinned Reason = "tool_unpinned" // no person has approved this tool
	ReasonToolChanged  Reason = "tool_changed"  // it is not the one that was approved, or is gone
	ReasonToolUnfit    Reason = "tool_unfit"    // what the upstream offers cannot be approved
)
