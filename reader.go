package writ

// A ReaderText says in words what one reader of a target takes and tells: what Observe can be asked there.
type ReaderText struct {
	Target   Location          `json:"target"`
	Name     OperationName     `json:"name"`
	Title    string            `json:"title"`
	Takes    []ReaderParameter `json:"takes"`
	Facts    []ReaderFact      `json:"facts"`
	Writable bool              `json:"writable"`         // its bytes hold text that users of the service, or attackers, write
	Fields   []string          `json:"fields,omitempty"` // the fields that they write; none means all of its bytes
}

// A ReaderParameter is one parameter of a reader, with what is allowed there in a sentence.
type ReaderParameter struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Allowed  string `json:"allowed"`
	Optional bool   `json:"optional,omitempty"`
}

// Call is the parameter as it stands in the form of a call: in brackets when it may be left out.
func (p ReaderParameter) Call() string {
	if p.Optional {
		return "[" + p.Name + "]"
	}
	return p.Name
}

// A ReaderFact is one value that a reader computes, by the name that guards and claims have for it.
type ReaderFact struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}
