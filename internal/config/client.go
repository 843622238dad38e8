package config

import "path/filepath"

// Client is the configuration of the command line: where the server is and who calls.
type Client struct {
	Dir       Dir    `yaml:"-"`
	Server    string `yaml:"server"`
	CA        string `yaml:"ca,omitempty"` // PEM file; empty means the system's
	TokenFile string `yaml:"token_file"`   // a file that holds the bearer token, or env:NAME
	Person    Person `yaml:"person"`       // as whom statements are signed
	SSHKey    string `yaml:"ssh_key,omitempty"`
}

// LoadClient reads and checks the command line's configuration.
func LoadClient(file string) (Client, error) {
	var l Client
	if err := load(file, &l); err != nil {
		return l, err
	}
	l.Dir = Dir(filepath.Dir(file))
	c := checks{file: file}
	c.url("server", l.Server, true)
	c.want(l.TokenFile != "", "token_file must name a file that holds the bearer token, or env:NAME")
	c.secret("token_file", l.TokenFile)
	return l, c.err
}

// Path resolves a path of the configuration.
func (c Client) Path(p string) string { return c.Dir.Path(p) }
