package config

import "time"

// Veto is an external decision point that is asked over AuthZEN after Writ's own policy has allowed. It can only say no.
type Veto struct {
	URL       string   `yaml:"url"`                  // of its access evaluation endpoint
	CA        string   `yaml:"ca,omitempty"`         // PEM file; empty: the system's
	TokenFile string   `yaml:"token_file,omitempty"` // of mode 0600, with the bearer token for it
	Timeout   Duration `yaml:"timeout,omitempty"`    // at most 5s; 500ms when left out
}

// maxVeto is the longest that the runner's call and the approver's wait for it.
const maxVeto = 5 * time.Second

func (c *checks) veto(v *Veto, dev bool) {
	if v == nil {
		return
	}
	c.url("veto.url", v.URL, dev)
	c.want(v.Timeout >= 0 && time.Duration(v.Timeout) <= maxVeto, "veto.timeout must be at most %s, such as 500ms", maxVeto)
}
