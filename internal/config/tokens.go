package config

import "slices"

// Tokens are the rules of the token endpoint.
type Tokens struct {
	Required bool      `yaml:"required,omitempty"` // an agent's platform credentials are taken at the token endpoint only
	Auditors []Auditor `yaml:"auditors,omitempty"` // who may look at any token
	Nonce    string    `yaml:"nonce,omitempty"`    // when a proof must carry a nonce: off, the default, clock or required
}

// Auditor is a person or a service that may introspect.
type Auditor struct {
	Iss  string `yaml:"iss"`
	Sub  string `yaml:"sub"`
	Kind string `yaml:"kind"` // human or service
}

// tokens checks the rules of the token endpoint.
func (c *checks) tokens(s Server) {
	t := s.Tokens
	if t == nil {
		return
	}
	c.want(s.Keys.Token != "", "tokens needs keys.token: the key that signs control-plane tokens")
	c.want(t.Nonce == "" || slices.Contains([]string{"off", "clock", "required"}, t.Nonce), "tokens.nonce must be off, clock (asked of a proof that is not of the server's time) or required (asked of each)")
	for i, a := range t.Auditors {
		c.want(a.Iss != "" && a.Sub != "" && (a.Kind == "human" || a.Kind == "service"), "tokens.auditors[%d] must have iss, sub and kind human or service", i)
	}
}
