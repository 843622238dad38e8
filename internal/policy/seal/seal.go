// Package seal signs a policy set and checks who signed it. A set's owners sign a manifest: its version, and the path and
// digest of every source file, byte for byte. The signatures stand in the set, in bundle.sig, as a DSSE envelope
// (github.com/secure-systems-lab/dsse, protocol 1.0.2). A server takes a set that enough of the owners it pins have
// signed, and whose version is not below one it has seen.
//
// The package is pure. It judges who signed; package policy judges what.
package seal

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/quorum"
)

// PayloadType is the DSSE type of a manifest: a signature on it is void for anything else.
const PayloadType = "application/vnd.writ.policy.v1+json"

// MaxFile bounds what is parsed: a manifest names policy.MaxFiles files of 150 bytes each, and each signature has 180.
const MaxFile = 512 << 10

// A Manifest names a set by content.
type Manifest struct {
	V       int    `json:"v"`
	Version int64  `json:"version"` // from 1 on; a server refuses a smaller one than it has seen
	Files   []File `json:"files"`   // sorted by path
}

// A File is one source of the set.
type File struct {
	Path   string      `json:"path"`
	Digest writ.Digest `json:"digest"`
}

// Of returns the manifest of sources as they are.
func Of(sources map[string][]byte, version int64) Manifest {
	m := Manifest{V: writ.FormatVersion, Version: version, Files: []File{}}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		m.Files = append(m.Files, File{name, writ.DigestOf(sources[name])})
	}
	return m
}

// Digest names the manifest. Two sets of one version have one digest, or one of them is a forgery or a mistake.
func (m Manifest) Digest() (writ.Digest, error) {
	b, err := canon.Marshal(m)
	return writ.DigestOf(b), err
}

// check refuses a manifest that is none.
func (m Manifest) check() error {
	switch {
	case m.V != writ.FormatVersion:
		return fmt.Errorf("v must be %d", writ.FormatVersion)
	case m.Version < 1 || m.Version > canon.MaxInt:
		return errors.New("version must be a whole number from 1 on")
	case len(m.Files) == 0 || len(m.Files) > policy.MaxFiles:
		return fmt.Errorf("files must be 1 to %d", policy.MaxFiles)
	}
	for i := 1; i < len(m.Files); i++ {
		if m.Files[i-1].Path >= m.Files[i].Path {
			return errors.New("files must be sorted by path, each once")
		}
	}
	return nil
}

// matches refuses sources that differ from the manifest in any file.
func (m Manifest) matches(sources map[string][]byte) error {
	for _, f := range m.Files {
		src, there := sources[f.Path]
		if !there {
			return fmt.Errorf("%s is signed and not there", writ.Printable(f.Path, 80))
		}
		if !writ.DigestOf(src).Equal(f.Digest) {
			return fmt.Errorf("%s is not the file that was signed", writ.Printable(f.Path, 80))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if !slices.ContainsFunc(m.Files, func(f File) bool { return f.Path == name }) {
			return fmt.Errorf("%s is there and not signed", writ.Printable(name, 80))
		}
	}
	return nil
}

// Sign returns the signature file of sources with their first owner's signature. Errors wrap writ.ErrInvalid.
func Sign(sources map[string][]byte, version int64, owner ed25519.PrivateKey) ([]byte, error) {
	m := Of(sources, version)
	if err := m.check(); err != nil {
		return nil, bad(err)
	}
	b, err := canon.Marshal(m)
	if err != nil {
		return nil, bad(err)
	}
	return add(quorum.Envelope{PayloadType: PayloadType, Payload: b}, owner)
}

// AddSignature returns the file with one more owner's signature on the same sources. It does not check the signatures
// already there. Errors wrap writ.ErrInvalid, or writ.ErrConflict when this owner has signed already.
func AddSignature(file []byte, sources map[string][]byte, owner ed25519.PrivateKey) ([]byte, error) {
	e, m, err := open(file)
	if err != nil {
		return nil, bad(err)
	}
	if err := m.matches(sources); err != nil {
		return nil, bad(err)
	}
	return add(e, owner)
}

// Read returns the manifest of a file without checking who signed it: to show it, never to act on it.
func Read(file []byte) (Manifest, error) {
	_, m, err := open(file)
	if err != nil {
		return Manifest{}, bad(err)
	}
	return m, nil
}

// Verify checks that enough owners signed exactly these sources, and returns the manifest and the names of the keys that
// did, sorted. Signatures by others do not count. Errors wrap writ.ErrInvalid.
func Verify(file []byte, sources map[string][]byte, o quorum.Owners) (Manifest, []string, error) {
	if len(file) == 0 {
		return Manifest{}, nil, bad(errors.New("the set is not signed: " + policy.FileSignature + " is missing"))
	}
	e, m, err := open(file)
	if err != nil {
		return Manifest{}, nil, bad(err)
	}
	who, err := o.Signed(e)
	if err != nil {
		return Manifest{}, nil, bad(err)
	}
	if err := m.matches(sources); err != nil {
		return Manifest{}, nil, bad(err)
	}
	return m, who, nil
}

func add(e quorum.Envelope, owner ed25519.PrivateKey) ([]byte, error) {
	b, err := e.Sign(owner)
	if err != nil {
		return nil, bad(err)
	}
	return b, nil
}

func open(file []byte) (quorum.Envelope, Manifest, error) {
	var m Manifest
	e, err := quorum.Open(file, PayloadType, MaxFile)
	if err != nil {
		return e, m, fmt.Errorf("%s: %w", policy.FileSignature, err)
	}
	if err := canon.Parse(e.Payload, &m); err != nil {
		return e, m, errors.New("the payload is not a manifest in canonical form")
	}
	return e, m, m.check()
}

func bad(err error) error {
	switch {
	case errors.Is(err, writ.ErrInvalid):
		return err
	case errors.Is(err, writ.ErrConflict):
		return fmt.Errorf("policy signature: %w", err)
	}
	return fmt.Errorf("%w: policy signature: %w", writ.ErrInvalid, err)
}
