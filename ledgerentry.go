package writ

// An Entry is one ledger entry as it stands in the log: its index and the bytes of its leaf, a DSSE envelope around a
// Record.
type Entry struct {
	Index int64  `json:"index"`
	Leaf  []byte `json:"leaf"`
}
