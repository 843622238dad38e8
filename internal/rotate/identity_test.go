package rotate_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// authors are the key ids by which the runner would believe the control plane.
func (p *place) authors() (ids []string) {
	p.t.Helper()
	t, err := trust.Load(p.file, []ed25519.PublicKey{p.owner.Public().(ed25519.PublicKey)}, 1, 0, p.runner(), time.Now())
	must(p.t, err)
	for _, a := range t.Control {
		ids = append(ids, a.KeyID)
	}
	return ids
}

func (p *place) runner() writ.RunnerID {
	t, err := trust.Payload(p.file)
	must(p.t, err)
	return t.Runner
}

func TestTheControlKeyIsReplacedInThreeStepsAndOldEntriesStayVerifiable(t *testing.T) {
	p := newPlace(t)
	dir := filepath.Dir(filepath.Dir(p.grant.File))
	id := rotate.Identity{File: filepath.Join(dir, "keys", "control.pem")}
	auditors, err := os.ReadFile(filepath.Join(dir, "verify.json"))
	must(t, err)
	old, err := id.Current()
	must(t, err)

	if err := id.SwitchAuthor([][]byte{p.file}, time.Now()); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("a switch before the announcement: %v", err)
	}
	before := p.file
	for range 2 {
		p.file, err = id.AnnounceAuthor(p.file, p.owner)
		must(t, err)
		auditors, err = id.Witness(auditors)
		must(t, err)
	}
	if got := p.authors(); len(got) != 2 {
		t.Fatalf("%v", got)
	}
	next, err := id.Next()
	must(t, err)
	if err := id.SwitchAuthor([][]byte{before}, time.Now()); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("a switch that a runner would not follow: %v", err)
	}
	must(t, id.SwitchAuthor([][]byte{p.file}, time.Now()))
	if now, err := id.Current(); err != nil || !now.Equal(next) {
		t.Errorf("the next key is not the current one: %v", err)
	}
	if _, err := id.RetireAuthor(p.file, p.owner, time.Now()); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("a retirement while grants are alive: %v", err)
	}
	p.file, err = id.RetireAuthor(p.file, p.owner, time.Now().Add(rotate.Overlap))
	must(t, err)
	if got := p.authors(); len(got) != 1 || got[0] != ledger.KeyID(next.Public().(ed25519.PublicKey)) {
		t.Errorf("%v", got)
	}
	must(t, id.Forget())
	if _, err := id.Previous(); err == nil {
		t.Error("the old key's file is there still")
	}

	kept, err := verify.ParseTrust(auditors)
	must(t, err)
	found := map[string]bool{}
	for _, a := range kept.Actors {
		found[a.KeyID] = true
	}
	for _, key := range []ed25519.PrivateKey{old, next} {
		if !found[ledger.KeyID(key.Public().(ed25519.PublicKey))] {
			t.Error("auditors do not hold both keys")
		}
	}
}
