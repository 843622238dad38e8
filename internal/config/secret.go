package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/writ-dev/writ"
)

// envPrefix begins a reference to a variable of the environment, where secret stores put what a process is to have.
const envPrefix = "env:"

var (
	envName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	// literal is what is no path: a URL, PEM, a JSON Web Token, several lines, or padded base64.
	literal = regexp.MustCompile(`://|-----BEGIN|^eyJ|\n|=$`)
)

// secret demands that a value says where a secret is and is not the secret itself. No refusal quotes it.
func (c *checks) secret(key, ref string) {
	if ref == "" {
		return
	}
	if name, ok := strings.CutPrefix(ref, envPrefix); ok {
		c.want(envName.MatchString(name), "%s: a reference to the environment is env:NAME, with NAME in capitals", key)
		return
	}
	c.want(!literal.MatchString(ref), "%s must be the path of a file of mode 0600, or env:NAME, not the secret itself: a secret does not belong here", key)
}

// ReadSecret returns the secret that a reference names: a variable of the environment, or the contents of a file as read
// returns them. White space around it is left out. No error quotes the reference where nothing is found under it, since
// somebody may have written the secret in its place.
func ReadSecret(d Dir, ref string, read func(path string) ([]byte, error)) (string, error) {
	if name, ok := strings.CutPrefix(ref, envPrefix); ok {
		v := strings.TrimSpace(os.Getenv(name))
		if !envName.MatchString(name) || v == "" {
			return "", fmt.Errorf("%w: the variable of the environment that is named does not exist or is empty", writ.ErrInvalid)
		}
		return v, nil
	}
	b, err := read(d.Path(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: the file that is named does not exist; the value is a path or env:NAME, never the secret itself", writ.ErrInvalid)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}
