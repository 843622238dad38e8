package rotate_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/trust"
)

const services = `kind: Component
metadata:
  name: checkout
  annotations: {writ.dev/environment: prod, writ.dev/locations: kubernetes://here/shop/deployment/checkout}
spec: {owner: payments}
`

// place is an installation with its grant key, its runner's trust file and that file's owner.
type place struct {
	t     *testing.T
	grant rotate.Grant
	file  []byte
	owner ed25519.PrivateKey
}

func newPlace(t *testing.T) *place {
	t.Helper()
	in, err := setup.Write(filepath.Join(t.TempDir(), "writ"), setup.Options{
		Services: []byte(services), Now: time.Now(), Admin: "127.0.0.1:8422",
		Targets: []setup.Target{{Location: "kubernetes://here", Kubeconfig: "/nowhere", Catalogue: kubernetes.Catalogue()}},
		People:  []setup.Person{{Sub: "ana", Groups: []string{"payments"}}},
	})
	must(t, err)
	p := &place{t: t, grant: rotate.Grant{File: filepath.Join(in.Dir, "keys", "grant.pem")}}
	p.file, err = os.ReadFile(filepath.Join(in.Dir, "trust.json"))
	must(t, err)
	p.owner, err = pin.Load(filepath.Join(in.Dir, "keys", "owner.pem"))
	must(t, err)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pinned are the keys that the runner would take, after it has checked the file with its owner's key.
func (p *place) pinned() (ids []string, version int64) {
	p.t.Helper()
	draft, err := trust.Payload(p.file)
	must(p.t, err)
	tr, err := trust.Load(p.file, []ed25519.PublicKey{p.owner.Public().(ed25519.PublicKey)}, 1, 0, draft.Runner, time.Now())
	must(p.t, err)
	for _, k := range tr.GrantKeys {
		ids = append(ids, k.Kid)
	}
	return ids, tr.Version
}

// uses are the key ids by use.
func (p *place) uses() map[string]string {
	p.t.Helper()
	keys, err := p.grant.Keys()
	must(p.t, err)
	out := map[string]string{}
	for _, k := range keys {
		out[k.Use] = k.ID
	}
	return out
}

func (p *place) announce() string {
	p.t.Helper()
	file, kid, err := p.grant.Announce(p.file, p.owner)
	must(p.t, err)
	p.file = file
	return kid
}

func TestAGrantKeyIsReplacedWithoutAMomentInWhichNoneIsTaken(t *testing.T) {
	p := newPlace(t)
	old := p.uses()["current"]
	kid := p.announce()
	if ids, version := p.pinned(); len(ids) != 2 || ids[0] != old || ids[1] != kid || version != 2 {
		t.Fatalf("after announce: %v, version %d", ids, version)
	}
	if again := p.announce(); again != kid {
		t.Errorf("a repeated announcement made another key")
	}
	if _, version := p.pinned(); version != 2 {
		t.Errorf("a repeated announcement made version %d", version)
	}
	got, err := p.grant.Switch([][]byte{p.file})
	must(t, err)
	if uses := p.uses(); got != kid || uses["current"] != kid || uses["previous"] != old || uses["next"] != "" {
		t.Fatalf("after switch: %v", uses)
	}
	file, err := p.grant.Retire(p.file, p.owner, time.Now().Add(rotate.Overlap))
	must(t, err)
	p.file = file
	must(t, p.grant.Forget())
	must(t, p.grant.Forget())
	if ids, version := p.pinned(); len(ids) != 1 || ids[0] != kid || version != 3 || p.uses()["previous"] != "" {
		t.Errorf("after retire: %v, version %d, %v", ids, version, p.uses())
	}
}

func TestAStepOfARotationOutOfTurnIsRefused(t *testing.T) {
	p := newPlace(t)
	refused := func(err error, what string) {
		t.Helper()
		if writ.ReasonOf(err) != writ.ReasonKeyRotation || !errors.Is(err, writ.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	before := p.file
	_, err := p.grant.Switch([][]byte{p.file})
	refused(err, "a switch to a key that nobody announced")
	p.announce()
	_, err = p.grant.Switch([][]byte{p.file, before})
	refused(err, "a switch that one runner has not heard of")
	_, err = p.grant.Switch([][]byte{p.file})
	must(t, err)
	_, err = p.grant.Retire(p.file, p.owner, time.Now())
	refused(err, "a retirement while grants of the old key may be alive")
	p.announce()
	_, err = p.grant.Switch([][]byte{p.file})
	refused(err, "a second rotation before the first has ended")
}

// A crash between the two renames of a switch leaves no current key; the same call finishes it.
func TestASwitchThatWasCutIsFinishedByTheNext(t *testing.T) {
	p := newPlace(t)
	kid := p.announce()
	must(t, os.Rename(p.grant.File, filepath.Join(filepath.Dir(p.grant.File), "grant.previous.pem")))
	got, err := p.grant.Switch([][]byte{p.file})
	must(t, err)
	if uses := p.uses(); got != kid || uses["current"] != kid || uses["previous"] == "" {
		t.Errorf("%v", uses)
	}
}

func TestAStrangersSignatureMakesNoTrustFile(t *testing.T) {
	p := newPlace(t)
	_, other, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	file, _, err := p.grant.Announce(p.file, other)
	must(t, err)
	draft, err := trust.Payload(file)
	must(t, err)
	if _, err := trust.Load(file, []ed25519.PublicKey{p.owner.Public().(ed25519.PublicKey)}, 1, 1, draft.Runner, time.Now()); err == nil {
		t.Error("a runner took a file that its owner did not sign")
	}
}
