package setup

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/playbooks"
)

// evidenceLife is how old cited evidence may be: a repair follows its diagnosis within minutes.
const evidenceLife = 10 * time.Minute

func pemBytes(b *pem.Block) []byte { return pem.EncodeToMemory(b) }

// inputs writes services, playbooks, and what the targets need.
func (w *writer) inputs() error {
	services, err := catalogue.Parse(w.o.Services)
	if err != nil {
		return err
	}
	w.services = map[string]string{}
	for name, s := range services {
		w.services[name] = s.Owner
	}
	if err := os.WriteFile(w.path("catalog-info.yaml"), w.o.Services, 0o644); err != nil {
		return err
	}
	if len(w.o.Playbooks) == 0 {
		if w.o.Playbooks, err = library(); err != nil {
			return err
		}
	}
	for _, source := range w.o.Playbooks {
		pb, digest, err := playbook.Parse(source)
		if err != nil {
			return err
		}
		ref := writ.PlaybookRef{Name: pb.Name, Version: pb.Version, Digest: digest}
		if pb.Emergency {
			w.emergency = append(w.emergency, ref)
		} else {
			w.playbooks = append(w.playbooks, ref)
		}
		if err := os.WriteFile(w.path("playbooks/"+pb.Name+".yaml"), source, 0o644); err != nil {
			return err
		}
	}
	if len(w.o.Targets) == 0 {
		return fmt.Errorf("%w: at least one target is needed", writ.ErrInvalid)
	}
	for _, t := range w.o.Targets {
		for name, content := range t.Files {
			if filepath.Base(name) != name {
				return fmt.Errorf("%w: %q is not a plain file name", writ.ErrInvalid, name)
			}
			if err := os.WriteFile(w.path("targets/"+name), content, 0o600); err != nil {
				return err
			}
		}
		if err := w.json(catalogueFile(t.Location), t.Catalogue); err != nil {
			return err
		}
	}
	return nil
}

func catalogueFile(l writ.Location) string {
	return "targets/" + strings.ReplaceAll(string(l), "://", "-") + ".catalogue.json"
}

func (w *writer) server() error {
	c := config.Server{
		Listen: w.o.Listen, ExternalURL: "http://" + w.o.Listen, RunnerListen: w.o.Runners, AdminListen: w.o.Admin, Data: "data",
		Issuer: issuer, Origin: origin,
		Keys:      config.ServerKeys{Control: fileControl, Grant: fileGrant, Dispatch: fileHolder, Token: fileToken},
		Signer:    config.SignerPeer{URL: "https://" + w.o.Signer, Key: fingerprint(w.signerKey), VKey: w.vkey},
		Tokens:    &config.Tokens{Required: true}, // whatever a platform says about an agent counts once, and opens the token endpoint alone
		Playbooks: []string{"playbooks"}, Services: "catalog-info.yaml",
		Runners:   []config.RunnerPeer{{ID: w.runnerID(), Public: publicOf(fileRunner)}},
		Approvers: w.approvers, DevKeys: w.devKeys, PlanLife: config.Duration(w.o.PlanLife), EvidenceLife: config.Duration(evidenceLife),
		Dev: &config.DevProcesses{Runner: "runner.yaml", Signer: "signer.yaml"},
	}
	for _, t := range w.o.Targets {
		c.Targets = append(c.Targets, config.ServerTarget{Location: string(t.Location), Runner: w.runnerID(), Catalogue: catalogueFile(t.Location)})
	}
	for _, a := range w.o.Agents {
		c.Agents = append(c.Agents, config.Agent{
			Name: a.Name, Iss: authn.DevIssuer, Sub: a.Name, Team: a.Team, Owner: config.Person{Iss: authn.DevIssuer, Sub: a.Owner}, Roles: a.Roles,
		})
	}
	return w.yaml("writ.yaml", c)
}

func (w *writer) signer() error {
	return w.yaml("signer.yaml", config.Signer{
		Listen: w.o.Signer, Origin: origin, Key: fileLog, TLSKey: fileSigner, Server: fingerprint(w.control), State: "signer.state",
	})
}

func (w *writer) runner() error {
	c := config.Runner{
		ID: w.runnerID(), Control: config.ControlPeer{URL: w.o.RunnerURL, Key: fingerprint(w.control)}, Key: fileRunner,
		Trust:   config.TrustFile{File: fileTrust, Owners: []string{publicOf(fileOwner)}, Threshold: 1},
		Journal: "runner.db",
	}
	for _, t := range w.o.Targets {
		rt := config.RunnerTarget{Location: string(t.Location), Kubeconfig: t.Kubeconfig, ReadKubeconfig: t.Reader, Namespace: t.Namespace}
		if t.Connector != "" {
			rt.Connector = "targets/" + t.Connector
		}
		c.Targets = append(c.Targets, rt)
	}
	return w.yaml("runner.yaml", c)
}

func fingerprint(key ed25519.PrivateKey) string {
	return pin.Fingerprint(key.Public().(ed25519.PublicKey))
}

// library returns the playbooks that ship with Writ.
func library() ([][]byte, error) {
	files, err := playbooks.Library.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, f := range files {
		b, err := playbooks.Library.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
