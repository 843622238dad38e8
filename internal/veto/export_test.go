package veto

// Parse reads an answer.
func Parse(b []byte) (bool, error) { return parse(b) }
