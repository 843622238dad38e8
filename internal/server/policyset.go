package server

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/seal"
	"github.com/writ-dev/writ/internal/quorum"
	"github.com/writ-dev/writ/internal/store"
)

// pollEvery is how often the directory of policies is looked at. A change counts once it is the same at two looks, so
// that a set which is being copied is not taken for a broken one.
const pollEvery = 2 * time.Second

// A policySource is where the server's policy set comes from.
type policySource struct {
	dir    string // empty: the set that ships with Writ
	dev    bool
	owners *quorum.Owners // nil: the set need not be signed
	group  string         // of the roster, whose people approve changes of a signed set
	words  policy.Vocabulary
}

func newPolicySource(c config.Server, dev bool, v policy.Vocabulary) (policySource, error) {
	p := policySource{dir: c.Path(c.Policies), dev: dev, words: v}
	if c.Policies == "" {
		p.dir = ""
	}
	if c.PolicyOwners == nil {
		return p, nil
	}
	o, err := PolicyOwners(c)
	p.owners, p.group = &o, c.PolicyOwners.Approvers
	return p, err
}

// gate is how sets come into force where people approve their changes; nil where they do not.
func (p policySource) gate() *control.PolicyGate {
	if p.owners == nil {
		return nil
	}
	return &control.PolicyGate{Group: p.group, Load: func(f writ.PolicyFiles) (control.PolicySet, error) { return p.judge(f.Files, f.Signature) }}
}

// try loads a set that need not be signed, for a simulation.
func (p policySource) try(files map[string][]byte) (*policy.Bundle, error) {
	return policy.LoadSources(files, p.words)
}

// keptSet is the set in force where its changes are approved; nil for none.
type keptSet struct {
	files writ.PolicyFiles
	name  writ.PolicyName
}

// kept reads it.
func kept(ctx context.Context, c config.Server, st *store.Store) (*keptSet, error) {
	if c.PolicyOwners == nil {
		return nil, nil
	}
	files, name, ok, err := control.StoredPolicy(ctx, st)
	if err != nil || !ok {
		return nil, err
	}
	return &keptSet{files, name}, nil
}

// loadKept loads the set in force. Once other owners are pinned than have signed it, the signature on the same manifest that
// the directory has counts in its place.
func (p policySource) loadKept(k keptSet) (control.PolicySet, error) {
	set, err := p.judge(k.files.Files, k.files.Signature)
	if err == nil {
		return set, nil
	}
	if _, signature, _, rerr := p.read(); rerr == nil {
		if set, serr := p.judge(k.files.Files, signature); serr == nil && set.Version == k.name.Version && set.Manifest.Equal(k.name.Manifest) {
			return set, nil
		}
	}
	return set, fmt.Errorf("policy set of version %d, which is in force: %w", k.name.Version, err)
}

// PolicyOwners reads the keys of policy_owners.
func PolicyOwners(c config.Server) (quorum.Owners, error) {
	var o quorum.Owners
	if c.PolicyOwners == nil {
		return o, fmt.Errorf("%w: policy_owners is missing", writ.ErrInvalid)
	}
	o.Threshold = c.PolicyOwners.Threshold
	for _, file := range c.PolicyOwners.Keys {
		k, err := loadPublic(c.Path(file))
		if err != nil {
			return o, fmt.Errorf("policy_owners: %w", err)
		}
		o.Keys = append(o.Keys, ed25519.PublicKey(k))
	}
	return o, o.Check()
}

// read reads the directory and gives its contents a name.
func (p policySource) read() (sources map[string][]byte, signature []byte, name writ.Digest, err error) {
	sources, signature, err = policy.ReadSources(os.DirFS(p.dir))
	if err != nil {
		return nil, nil, writ.Digest{}, err
	}
	name, err = seal.Of(sources, 1).Digest()
	return sources, signature, writ.DigestOf([]byte(name.String() + string(signature))), err
}

// load loads the set, and checks its signatures first when it has owners. It also returns the name of the contents.
func (p policySource) load() (control.PolicySet, writ.Digest, error) {
	if p.dir == "" {
		b, err := LoadPolicy("", p.dev, p.words)
		return control.PolicySet{Bundle: b}, writ.Digest{}, err
	}
	sources, signature, name, err := p.read()
	if err != nil {
		return control.PolicySet{}, name, err
	}
	set, err := p.judge(sources, signature)
	return set, name, err
}

func (p policySource) judge(sources map[string][]byte, signature []byte) (control.PolicySet, error) {
	var out control.PolicySet
	if p.owners != nil {
		m, signers, err := seal.Verify(signature, sources, *p.owners)
		if err != nil {
			return out, err
		}
		out.Version, out.Signers = m.Version, signers
		if out.Manifest, err = m.Digest(); err != nil {
			return out, err
		}
	}
	b, err := policy.LoadSources(sources, p.words)
	out.Bundle, out.PolicyFiles = b, writ.PolicyFiles{Files: sources, Signature: signature}
	return out, err
}

// watchPolicy looks for another set until ctx ends: at each poll, and at once when the process is told by SIGHUP. A set
// that cannot be read, is not signed as it must be, does not load or is not allowed to follow the one in force changes
// nothing: it is logged, stands in the status and the metrics, and is tried again when it changes.
func (s *Server) watchPolicy(ctx context.Context) {
	if s.policies.dir == "" {
		return // no set of a directory, and so none that is signed and approved
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	w := &policyWatch{from: s.policies, to: s.Control, log: s.log, tried: s.loaded, seen: s.loaded}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			w.look(ctx, true)
		case <-t.C:
			w.look(ctx, false)
		}
		if err := s.Control.FollowPolicy(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("whether another policy set is in force could not be read", "error", writ.Printable(err.Error(), 400))
		}
	}
}

// An adopter takes a set, or hears why there is none. On an error of AdoptPolicy the set before stays in force.
type adopter interface {
	AdoptPolicy(ctx context.Context, s control.PolicySet) error
	PolicyProblem(why string)
}

// policyWatch remembers what was looked at.
type policyWatch struct {
	from  policySource
	to    adopter
	log   *slog.Logger
	tried writ.Digest // contents that were adopted or refused
	seen  writ.Digest // contents at the look before
}

// look reads the directory and tries what is new; now says not to wait for a second look.
func (w *policyWatch) look(ctx context.Context, now bool) {
	sources, signature, name, err := w.from.read()
	if err != nil {
		name = writ.DigestOf([]byte(err.Error()))
	}
	settled := now || name == w.seen
	w.seen = name
	if !settled || name == w.tried && !now {
		return
	}
	var set control.PolicySet
	if err == nil {
		set, err = w.from.judge(sources, signature)
	}
	if err == nil {
		err = w.to.AdoptPolicy(ctx, set)
	}
	if ctx.Err() != nil || errors.Is(err, writ.ErrUnavailable) && !now {
		return // the store, not the set: try again
	}
	w.tried = name
	if errors.Is(err, control.ErrPolicyPast) && w.from.owners != nil {
		w.log.Info("the policy set in the directory is an earlier version; the one in force was approved after it", "version", set.Version)
		w.to.PolicyProblem("")
		return
	}
	if err != nil {
		w.log.Error("the policy set in the directory was refused; the set before it stays in force", "error", writ.Printable(err.Error(), 400))
		w.to.PolicyProblem(writ.Printable(err.Error(), 400))
		return
	}
	w.to.PolicyProblem("")
	w.log.Info("policy set in force", "policy", set.Bundle.Digest().String(), "version", set.Version)
}
