// Package setup writes a working installation of Writ into an empty directory: keys, the configurations of server,
// runner, signer and command line, the signed trust file, and development keys. writ init and the demonstration use
// it; a production installation starts from what it writes.
//
// Nothing is overwritten. Private keys and tokens are files of mode 0600.
package setup

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/token"
)

// Options say what to write. Zero members have the meaning given.
type Options struct {
	Runner    string   // name of the one runner; "local" when empty
	Listen    string   // 127.0.0.1:8420 when empty; likewise the next three, :8421 to :8423
	Runners   string   // the runners' door
	RunnerURL string   // where the runner finds that door; https:// and Runners when empty
	Admin     string   // "" means none
	Signer    string   // the signer
	Services  []byte   // catalog-info.yaml
	Playbooks [][]byte // sources; the library of Writ when empty
	Targets   []Target
	Agents    []Agent
	People    []Person
	Sources   []string // names of alert sources
	PlanLife  time.Duration
	Ceiling   *Ceiling // nil means DevCeiling
	Now       time.Time
}

// A Target is one target with the credential that mints leases on it.
type Target struct {
	Location   writ.Location
	Kubeconfig string            // path; kubernetes
	Reader     string            // kubeconfig that can only read; Kubeconfig when empty
	Namespace  string            // kubernetes: where leases for cluster-scoped objects live
	Connector  string            // httpapi: the connector's file, one of Files
	Files      map[string][]byte // written beside it, by plain name
	Catalogue  connector.Catalogue
}

// An Agent is a registration with a development key.
type Agent struct {
	Name  string
	Team  string
	Owner string // sub of a person
	Roles []string
}

// A Person has a development key and a plain SSH key.
type Person struct {
	Sub    string
	Groups []string
}

// An Installation says where things are.
type Installation struct {
	Dir     string
	Server  string            // configuration files
	Runner  string            //
	Signer  string            //
	Verify  string            // the auditors' trust file
	Tokens  map[string]string // name -> token file
	Clients map[string]string // person -> the command line's configuration
	SSHKeys map[string]string // person -> private key file
}

// Files below the directory.
const (
	dirKeys     = "keys"
	dirTokens   = "tokens"
	fileControl = "keys/control.pem"
	fileGrant   = "keys/grant.pem"
	fileHolder  = "keys/dispatch.pem"
	fileToken   = "keys/token.pem"
	fileRunner  = "keys/runner.pem"
	fileOwner   = "keys/owner.pem"
	fileLog     = "keys/log.pem"
	fileSigner  = "keys/signer.pem"
	fileTrust   = "trust.json"
	fileVerify  = "verify.json"
)

// Write writes an installation into dir, which must not exist or be empty.
func Write(dir string, o Options) (Installation, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Installation{}, err
	}
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return Installation{}, &writ.Refusal{
			Code: writ.ReasonForm, Kind: writ.ErrConflict, Detail: writ.Printable(dir, 300) + " is not empty, and nothing is overwritten", Hint: "name a new directory",
		}
	}
	o.defaults()
	w := writer{dir: dir, o: o, in: Installation{
		Dir: dir, Server: filepath.Join(dir, "writ.yaml"), Runner: filepath.Join(dir, "runner.yaml"), Signer: filepath.Join(dir, "signer.yaml"),
		Verify: filepath.Join(dir, fileVerify), Tokens: map[string]string{}, Clients: map[string]string{}, SSHKeys: map[string]string{},
	}}
	for _, step := range []func() error{w.dirs, w.keys, w.inputs, w.people, w.server, w.signer, w.runner, w.trust, w.verify} {
		if err := step(); err != nil {
			return Installation{}, fmt.Errorf("setup: %w", err)
		}
	}
	return w.in, nil
}

func (o *Options) defaults() {
	for _, d := range []struct {
		to *string
		v  string
	}{
		{&o.Runner, "local"}, {&o.Listen, "127.0.0.1:8420"}, {&o.Runners, "127.0.0.1:8421"}, {&o.Signer, "127.0.0.1:8423"},
	} {
		if *d.to == "" {
			*d.to = d.v
		}
	}
	if o.RunnerURL == "" {
		o.RunnerURL = "https://" + o.Runners
	}
	if o.PlanLife == 0 {
		o.PlanLife = 15 * time.Minute
	}
	if o.Ceiling == nil {
		c := DevCeiling
		o.Ceiling = &c
	}
}

// writer holds what the steps share.
type writer struct {
	dir string
	o   Options
	in  Installation

	control, runnerKey, owner, log, signerKey ed25519.PrivateKey
	grantPub, grantKid                        string
	vkey                                      string
	approvers                                 []config.Approver
	devKeys                                   []config.DevKey
	playbooks, emergency                      []writ.PlaybookRef
	services                                  map[string]string // service -> owning team
}

const (
	domain = "writ.local"
	origin = domain + "/ledger"
	issuer = "https://" + domain
)

func (w *writer) path(name string) string { return filepath.Join(w.dir, name) }

func (w *writer) runnerID() string { return "spiffe://" + domain + "/runner/" + w.o.Runner }

func (w *writer) dirs() error {
	for _, d := range []string{"", dirKeys, dirTokens, "playbooks", "targets"} {
		if err := os.MkdirAll(w.path(d), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) keys() error {
	for _, k := range []struct {
		to   *ed25519.PrivateKey
		file string
	}{{&w.control, fileControl}, {&w.runnerKey, fileRunner}, {&w.owner, fileOwner}, {&w.log, fileLog}, {&w.signerKey, fileSigner}} {
		key, err := pin.Create(w.path(k.file), rand.Reader)
		if err != nil {
			return err
		}
		*k.to = key
		public, err := pin.MarshalPublic(key.Public().(ed25519.PublicKey))
		if err != nil {
			return err
		}
		if err := os.WriteFile(w.path(publicOf(k.file)), public, 0o644); err != nil {
			return err
		}
	}
	grant, err := token.CreateKey(w.path(fileGrant), rand.Reader)
	if err != nil {
		return err
	}
	public, err := token.MarshalPublic(&grant.PublicKey)
	if err != nil {
		return err
	}
	w.grantPub, w.grantKid = string(public), token.KeyID(&grant.PublicKey)
	for _, file := range []string{fileHolder, fileToken} {
		if _, err := token.CreateKey(w.path(file), rand.Reader); err != nil {
			return err
		}
	}
	if w.vkey, err = ledger.VKey(origin, w.log.Public().(ed25519.PublicKey)); err != nil {
		return err
	}
	return signer.Create(w.path("signer.state"), origin, w.log)
}

// publicOf names the public half of a key file: keys/runner.pem -> keys/runner.pub.
func publicOf(file string) string { return file[:len(file)-len("pem")] + "pub" }

// people makes development keys and, for persons, SSH keys and command line configurations.
func (w *writer) people() error {
	for _, a := range w.o.Agents {
		if err := w.devKey(a.Name, writ.KindAgent); err != nil {
			return err
		}
	}
	for _, s := range w.o.Sources {
		if err := w.devKey(s, writ.KindService); err != nil {
			return err
		}
	}
	for _, p := range w.o.People {
		if err := w.devKey(p.Sub, writ.KindHuman); err != nil {
			return err
		}
		if err := w.sshKey(p); err != nil {
			return err
		}
		file := "cli-" + p.Sub + ".yaml"
		w.in.Clients[p.Sub] = w.path(file)
		err := w.yaml(file, config.Client{
			Server: "http://" + w.o.Listen, TokenFile: filepath.Join(dirTokens, p.Sub), SSHKey: filepath.Join(dirKeys, p.Sub+"_ed25519"),
			Person: config.Person{Iss: authn.DevIssuer, Sub: p.Sub},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) devKey(name string, kind writ.Kind) error {
	if !writ.IsName(name) {
		return fmt.Errorf("%w: %q is not a plain lower-case name", writ.ErrInvalid, writ.Printable(name, 60))
	}
	if _, twice := w.in.Tokens[name]; twice {
		return fmt.Errorf("%w: the name %q is used twice", writ.ErrInvalid, name)
	}
	secret, digest, err := authn.NewDevToken(rand.Reader)
	if err != nil {
		return err
	}
	w.devKeys = append(w.devKeys, config.DevKey{Sub: name, Kind: string(kind), Hash: digest.String()})
	w.in.Tokens[name] = w.path(filepath.Join(dirTokens, name))
	return pin.CreateFile(w.in.Tokens[name], []byte(secret+"\n"))
}

func (w *writer) sshKey(p Person) error {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, p.Sub)
	if err != nil {
		return err
	}
	public, err := ssh.NewPublicKey(pub)
	if err != nil {
		return err
	}
	w.in.SSHKeys[p.Sub] = w.path(filepath.Join(dirKeys, p.Sub+"_ed25519"))
	if err := pin.CreateFile(w.in.SSHKeys[p.Sub], pemBytes(block)); err != nil {
		return err
	}
	line := string(ssh.MarshalAuthorizedKey(public))
	w.approvers = append(w.approvers, config.Approver{Iss: authn.DevIssuer, Sub: p.Sub, Groups: p.Groups, Keys: []string{line[:len(line)-1]}})
	return os.WriteFile(w.in.SSHKeys[p.Sub]+".pub", []byte(line), 0o644)
}

func (w *writer) yaml(name string, v any) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(w.path(name), b, 0o600)
}

func (w *writer) json(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(w.path(name), append(b, '\n'), 0o644)
}
