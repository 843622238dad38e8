// Package config reads the configuration of Writ's processes: one strict YAML file each, checked once. Unknown keys,
// wrong types and missing values are refused with one sentence that names the key. Relative paths are relative to the
// file. Nothing is taken from the environment but secrets that a value refers to as env:NAME, and nothing that gives authority
// has a default.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
)

// maxFile bounds a configuration file: 1 MiB is a thousand agents.
const maxFile = 1 << 20

// load decodes a file strictly.
func load(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return wrong(path, "%v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return wrong(path, "%v", err)
	}
	if len(b) > maxFile {
		return wrong(path, "larger than %d bytes", maxFile)
	}
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict(), yaml.DisallowUnknownField())
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return wrong(path, "%s", yamlSentence(err))
	}
	return nil
}

// hint goes with every refusal.
const hint = "writ init writes configurations that work, to compare with"

// wrong refuses a configuration with one sentence.
func wrong(path, format string, args ...any) error {
	return &writ.Refusal{
		Code: writ.ReasonForm, Kind: writ.ErrInvalid, Hint: hint,
		Detail: fmt.Sprintf("configuration %s: %s", writ.Printable(path, 300), fmt.Sprintf(format, args...)),
	}
}

var position = regexp.MustCompile(`^\[(\d+):\d+\] `)

// yamlSentence turns a decoder's many lines into one sentence with the line number.
func yamlSentence(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	if m := position.FindStringSubmatch(s); m != nil {
		s = "line " + m[1] + ": " + s[len(m[0]):]
	}
	return writ.Printable(s, 200)
}

// A Duration is written as in Go: 15m, 90s.
type Duration time.Duration

// UnmarshalYAML parses the text form.
func (d *Duration) UnmarshalYAML(b []byte) error {
	v, err := time.ParseDuration(strings.Trim(strings.TrimSpace(string(b)), `"'`))
	if err != nil || v <= 0 {
		return errors.New("a duration is written like 15m or 90s, and longer than nothing")
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes the text form.
func (d Duration) MarshalYAML() ([]byte, error) {
	return []byte(`"` + time.Duration(d).String() + `"`), nil
}

// A Dir resolves paths relative to the configuration file.
type Dir string

// Path resolves p.
func (d Dir) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(string(d), p)
}

// checks collects the first problem of a configuration.
type checks struct {
	file string
	err  error
}

func (c *checks) want(ok bool, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = wrong(c.file, format, args...)
	}
}

func (c *checks) fail(key string, err error) {
	if err != nil {
		c.want(false, "%s: %v", key, err)
	}
}

func (c *checks) address(key, v string) {
	_, _, err := net.SplitHostPort(v)
	c.want(err == nil, "%s must be an address such as 127.0.0.1:8420", key)
}

func (c *checks) url(key, v string, plainLoopback bool) {
	u, err := url.Parse(v)
	ok := err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && plainLoopback && Loopback(u.Host))
	c.want(ok, "%s must be an https URL without query, such as https://writ.example", key)
}

// Loopback reports whether host, with or without a port, is a loopback address.
func Loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
