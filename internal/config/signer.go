package config

import "path/filepath"

// Signer is the configuration of writ signer.
type Signer struct {
	Dir    Dir    `yaml:"-"`
	Listen string `yaml:"listen"`
	Origin string `yaml:"origin"` // of the ledger
	Key    string `yaml:"key"`    // Ed25519: signs checkpoints
	TLSKey string `yaml:"tls_key"`
	Server string `yaml:"server"`                // fingerprint of the control plane's key
	Next   string `yaml:"next_server,omitempty"` // fingerprint of the key that takes its place while it is being replaced
	State  string `yaml:"state"`                 // file with the last head signed
}

// LoadSigner reads and checks the configuration of writ signer.
func LoadSigner(file string) (Signer, error) {
	var s Signer
	if err := load(file, &s); err != nil {
		return s, err
	}
	s.Dir = Dir(filepath.Dir(file))
	c := checks{file: file}
	c.address("listen", s.Listen)
	c.want(s.Origin != "", "origin must name the ledger")
	c.want(s.Key != "" && s.TLSKey != "", "key and tls_key must name private keys, two different ones")
	c.want(s.Key != s.TLSKey, "key and tls_key must be two different keys")
	c.want(s.Server != "", "server must be the fingerprint of the control plane's key")
	c.want(s.State != "", "state must name a file")
	return s, c.err
}

// Path resolves a path of the configuration.
func (s Signer) Path(p string) string { return s.Dir.Path(p) }
