package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/storefront"
)

// A Trouble is something that goes wrong in the practice storefront.
type Trouble struct {
	Name    string
	Service string // that its alert names; empty: none
	About   string

	happen func(*storefront.Shop) error
}

// practiceTroubles are all of them. Each begins where everything is well, so that one does not hide in another.
var practiceTroubles = []Trouble{
	{"bad-release", storefront.Checkout, "release v42 of checkout is rolled out, and a third of the orders fail", func(s *storefront.Shop) error {
		return errors.Join(heal(s), s.Deploy(storefront.Checkout, "v42", "pipeline"))
	}},
	{"one-replica", storefront.Checkout, "somebody has scaled checkout to one replica, and orders are turned away", func(s *storefront.Shop) error {
		return errors.Join(heal(s), s.Scale(storefront.Checkout, 1, "night-shift"))
	}},
	{"lost-answer", storefront.Payments, "the bank fails half of the charges; the answer to the next change will get lost, and a colleague touches the same object", func(s *storefront.Shop) error {
		s.LoseNextAnswer()
		return errors.Join(heal(s), s.SetFault(storefront.Payments, storefront.Fault{Errors: 500}))
	}},
	{"none", "", "everything is put right", heal},
}

// heal puts everything right.
func heal(s *storefront.Shop) error {
	return errors.Join(
		s.SetFault(storefront.Payments, storefront.Fault{}),
		s.Switch(storefront.Payments, "backup-gateway", false, "practice"),
		s.Deploy(storefront.Checkout, "v41", "practice"),
		s.Scale(storefront.Checkout, 3, "practice"),
	)
}

// Troubles lists what can go wrong.
func Troubles() []Trouble { return slices.Clone(practiceTroubles) }

func indexTrouble(name string) int {
	return slices.IndexFunc(practiceTroubles, func(t Trouble) bool { return t.Name == name })
}

// FindTrouble parses the name of a trouble.
func FindTrouble(name string) (Trouble, error) {
	if i := indexTrouble(name); i >= 0 {
		return practiceTroubles[i], nil
	}
	var names []string
	for _, t := range practiceTroubles {
		names = append(names, t.Name)
	}
	return Trouble{}, fmt.Errorf("%w: there is no trouble %q; there are %s", writ.ErrInvalid, writ.Printable(name, maxTrouble), strings.Join(names, ", "))
}

// Break lets a trouble happen in the storefront whose installation is in dir. Its error matches writ.ErrInvalid when there is
// none there, and writ.ErrUnavailable when the storefront does not run.
func Break(ctx context.Context, dir string, t Trouble) error {
	b, err := os.ReadFile(filepath.Join(dir, practiceFile))
	if err != nil {
		return fmt.Errorf("%w: no storefront was opened in %s: %w", writ.ErrInvalid, writ.Printable(dir, 200), err)
	}
	var d practiceDoor
	if err := json.Unmarshal(b, &d); err != nil || d.URL == "" {
		return fmt.Errorf("%w: %s is not what writ storefront writes", writ.ErrInvalid, practiceFile)
	}
	ctx, cancel := context.WithTimeout(ctx, sceneTimeout) // replicas are replaced one by one
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/"+t.Name, nil)
	if err != nil {
		return fmt.Errorf("%w: %s names no address", writ.ErrInvalid, practiceFile)
	}
	r.Header.Set("Authorization", "Bearer "+d.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%w: the storefront does not run; start it in a new directory: %w", writ.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only a part of an error
		return fmt.Errorf("%w: the storefront answers %d: %s", writ.ErrUnavailable, resp.StatusCode, writ.Printable(string(text), 300))
	}
	return nil
}
