package control

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/store"
)

// A Published playbook is one version with its source bytes.
type Published struct {
	Playbook playbook.Playbook
	Source   []byte
	Digest   writ.Digest
}

// Ref names it by content.
func (p Published) Ref() writ.PlaybookRef {
	return writ.PlaybookRef{Name: p.Playbook.Name, Version: p.Playbook.Version, Digest: p.Digest}
}

// Library is the newest version of each playbook, by name.
type Library map[string]Published

// Add parses source and puts it in, replacing a lower version of the same name.
func (l Library) Add(source []byte) error {
	pb, digest, err := playbook.Parse(source)
	if err != nil {
		return err
	}
	if old, ok := l[pb.Name]; ok && old.Playbook.Version >= pb.Version {
		return fmt.Errorf("%w: playbook %s@%d: version %d is there already", writ.ErrInvalid, pb.Name, pb.Version, old.Playbook.Version)
	}
	l[pb.Name] = Published{Playbook: pb, Source: source, Digest: digest}
	return nil
}

// Find returns a playbook, or a refusal that names some of those that agents ask for.
func (l Library) Find(name string) (Published, error) {
	if p, ok := l[name]; ok {
		return p, nil
	}
	var known []string
	for n, p := range l {
		if !p.Playbook.Emergency {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	return Published{}, &writ.Refusal{
		Code: writ.ReasonUnknownPlaybook, Detail: fmt.Sprintf("there is no playbook %q", writ.Printable(name, 60)),
		Hint: "playbooks: " + some(known) + "; list_playbooks, or writ playbook list, tells all",
	}
}

// Playbooks lists what can be asked for on a service, or on any when service is empty. An agent that may propose is told
// those of its own classes; one that only diagnoses passes on what others may ask for, and is told all.
func (c *Control) Playbooks(ctx context.Context, by writ.Principal, service string) ([]writ.PlaybookSummary, error) {
	a, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair)
	if err != nil {
		return nil, err
	}
	planes := map[string]bool{}
	if service != "" {
		s, err := c.Services.Find(service)
		if err != nil {
			return nil, err
		}
		for _, t := range s.Targets() {
			planes[t.Plane()] = true
		}
	}
	var out []writ.PlaybookSummary
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		out = nil
		for _, name := range slices.Sorted(maps.Keys(c.Library)) {
			p := c.Library[name]
			gone, err := retired(tx, p)
			if err != nil {
				return err
			}
			if slices.Contains(a.Roles, writ.RoleRepair) && !a.May(p.Playbook.Class) {
				continue
			}
			if (service == "" || planes[p.Playbook.Plane]) && (by.Kind == writ.KindHuman || !p.Playbook.Emergency && gone == nil) {
				s := p.summary()
				s.Retired = gone
				out = append(out, s)
			}
		}
		return nil
	})
}

func (p Published) summary() writ.PlaybookSummary {
	return writ.PlaybookSummary{PlaybookRef: p.Ref(), Title: p.Playbook.Title, Owner: p.Playbook.Owner, Plane: p.Playbook.Plane, Tier: p.Playbook.Tier, Emergency: p.Playbook.Emergency}
}

// Playbook describes one playbook in words; people also get its source.
func (c *Control) Playbook(ctx context.Context, by writ.Principal, name string) (writ.PlaybookText, error) {
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return writ.PlaybookText{}, err
	}
	p, err := c.Library.Find(name)
	if err != nil {
		return writ.PlaybookText{}, err
	}
	out := writ.PlaybookText{PlaybookSummary: p.summary(), Text: p.Playbook.Describe()}
	err = c.Store.View(ctx, func(tx *store.Tx) (err error) {
		if by.Kind != writ.KindHuman {
			return offered(tx, p)
		}
		out.Retired, err = retired(tx, p)
		return err
	})
	if err != nil {
		return writ.PlaybookText{}, err
	}
	if by.Kind == writ.KindHuman {
		out.Source = string(p.Source)
	}
	return out, nil
}
