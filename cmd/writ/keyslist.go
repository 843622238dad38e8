package main

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/rotate"
)

// A listedKey is one key, and what it is of.
type listedKey struct {
	Of string `json:"of"` // grant, token, dispatch, control, log or runner
	rotate.Key
	Days int `json:"days"` // since then
}

// keyFiles are the rotating keys of a configuration: what each is of, and how its files are listed.
type keyFiles struct {
	of   string
	keys func() ([]rotate.Key, error)
}

func runKeysList(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "keys list", "-c writ.yaml [--signer signer.yaml] [--runner runner.yaml]", "Lists the keys that can be replaced, as far as they lie on this machine: the next, the current and the previous one of each, and how old each is. A key that is next or previous belongs to a rotation that has not come to its end.")
	file := f.String("c", "", "the server's configuration `file`; writ.yaml unless another process is named")
	signer := f.String("signer", "", "the signer's configuration `file`, for the key of the log")
	runner := f.String("runner", "", "a runner's configuration `file`, for its own key")
	format := f.String("o", "text", "output: text or json")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if *file == "" && *signer == "" && *runner == "" {
		*file = "writ.yaml"
	}
	all, err := keysOf(*file, *signer, *runner)
	if err != nil {
		return err
	}
	keys := []listedKey{}
	now := time.Now()
	for _, k := range all {
		found, err := k.keys()
		if err != nil {
			return fmt.Errorf("key %s: %w", k.of, err)
		}
		for _, key := range found {
			keys = append(keys, listedKey{k.of, key, int(now.Sub(key.Changed) / (24 * time.Hour))})
		}
	}
	return a.print(*format, keys, func() {
		for _, k := range keys {
			fmt.Fprintf(a.stdout, "%-8s  %-8s  %s  since %s, %d days  %s\n", k.Of, k.Use, k.ID, clock(k.Changed), k.Days, writ.Printable(k.File, 300))
		}
	})
}

// keysOf collects what the configurations name; an empty name is no configuration.
func keysOf(file, signer, runner string) (all []keyFiles, err error) {
	if file != "" {
		c, err := config.LoadServer(file, true)
		if err != nil {
			return nil, err
		}
		all = append(all, keyFiles{"grant", rotate.Grant{File: c.Path(c.Keys.Grant)}.Keys}, keyFiles{"dispatch", dispatchOf(c).Keys}, keyFiles{"control", rotate.Identity{File: c.Path(c.Keys.Control)}.Keys})
		if c.Keys.Token != "" {
			all = append(all, keyFiles{"token", rotate.Token{File: c.Path(c.Keys.Token)}.Keys})
		}
	}
	if signer != "" {
		c, err := config.LoadSigner(signer)
		if err != nil {
			return nil, err
		}
		all = append(all, keyFiles{"log", rotate.Identity{File: c.Path(c.Key)}.Keys})
	}
	if runner != "" {
		c, err := config.LoadRunner(runner)
		if err != nil {
			return nil, err
		}
		all = append(all, keyFiles{"runner", rotate.Identity{File: c.Path(c.Key)}.Keys})
	}
	return all, nil
}

// dispatchOf is the key by which a control plane presents grants.
func dispatchOf(c config.Server) rotate.Dispatch {
	return rotate.Dispatch{File: c.Path(c.Keys.Dispatch), PlanLife: time.Duration(c.PlanLife)}
}

// rotateDispatch is one step of the replacement of the key with which the control plane presents grants.
func (a *app) rotateDispatch(file, step string) error {
	c, err := config.LoadServer(file, true)
	if err != nil {
		return err
	}
	d := dispatchOf(c)
	switch step {
	case "announce":
		kid, err := d.Announce()
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ %s is announced. Bring it to all servers and restart them; then: writ keys rotate switch --key dispatch\n", kid)
	case "switch":
		kid, err := d.Switch()
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ %s is the current key. Restart the servers; %s after the last: writ keys rotate retire --key dispatch\n", kid, d.Overlap())
	case "retire":
		if err := d.Retire(time.Now()); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "✔ the previous dispatch key is deleted; restart the servers when it suits")
	}
	return nil
}
