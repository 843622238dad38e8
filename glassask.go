package writ

// A BreakGlassWish is what a person wants to ask for with a passkey, as it was shown to them.
type BreakGlassWish struct {
	Incident   IncidentID // empty for a drill
	Service    string     // of the incident; for a drill, what it is run on
	Playbook   PlaybookRef
	Parameters Parameters // all of them, defaults filled in
}

// A BreakGlassBegun is what a browser is to have an ask for break-glass signed with.
type BreakGlassBegun struct {
	Statement []byte         `json:"statement" doc:"to be sent back with the assertion; good for one ask"`
	Options   RequestOptions `json:"public_key" doc:"for PublicKeyCredential.parseRequestOptionsFromJSON; the challenge is the digest of the statement"`
}
