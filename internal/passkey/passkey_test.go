package passkey_test

import (
	"bytes"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/passkey"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

const origin, rp = "https://approve.writ.example", "approve.writ.example"

var (
	now       = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	model     = [16]byte{1, 2, 3}
	challenge = []byte("0123456789abcdef0123456789abcdef")
)

// site counts passkeys of one model as level A, if its maker attests them.
func site(t testing.TB) (passkey.Site, *softkey.Maker) {
	t.Helper()
	maker := softkey.NewMaker(t, model, now)
	roots := x509.NewCertPool()
	roots.AddCert(maker.Root)
	s := passkey.Site{Origin: origin, RP: rp, Models: map[string]*x509.CertPool{"01020300-0000-0000-0000-000000000000": roots}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s, maker
}

func key(t testing.TB, maker *softkey.Maker) *softkey.Key {
	t.Helper()
	k := softkey.New(t, -7, origin, rp)
	k.AAGUID, k.Maker, k.Counter = model, maker, 3
	return k
}

func TestANewPasskeyIsOfTheLevelThatItsAttestationShows(t *testing.T) {
	s, maker := site(t)
	for name, c := range map[string]struct {
		change func(*softkey.Key)
		want   writ.ProofLevel
	}{
		"attested by its maker":   {func(*softkey.Key) {}, writ.ProofA},
		"not attested":            {func(k *softkey.Key) { k.Maker = nil }, writ.ProofB},
		"attested by another":     {func(k *softkey.Key) { k.Maker = softkey.NewMaker(t, model, now) }, writ.ProofB},
		"synced, though attested": {func(k *softkey.Key) { k.Flags |= softkey.Eligible | softkey.BackedUp }, writ.ProofB},
		"another model": {func(k *softkey.Key) {
			k.AAGUID[0]++
			k.Maker = softkey.NewMaker(t, k.AAGUID, now)
		}, writ.ProofB},
	} {
		t.Run(name, func(t *testing.T) {
			k := key(t, maker)
			c.change(k)
			got, err := s.Register(challenge, k.Create(t, challenge), now)
			if err != nil || got.Level != c.want || !bytes.Equal(got.ID, k.ID) || !bytes.Equal(got.Key, k.COSE) || got.Counter != 3 || got.Synced != (k.Flags&softkey.Eligible != 0) {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
	k := key(t, maker)
	if got, err := s.Register(challenge, k.Create(t, challenge), now.Add(100*365*24*time.Hour)); err != nil || got.Level != writ.ProofB {
		t.Errorf("a certificate that has expired attests nothing: %+v %v", got, err)
	}
}

func TestEveryAlgorithmCanBeEnrolled(t *testing.T) {
	s, _ := site(t)
	for _, algorithm := range approval.Algorithms() {
		k := softkey.New(t, algorithm, origin, rp)
		c, err := s.Register(challenge, k.Create(t, challenge), now)
		if err != nil || approval.CheckCredential(c) != nil {
			t.Errorf("%d: %+v %v", algorithm, c, err)
		}
	}
}

func TestWhatIsNoNewPasskeyOfThisSiteIsRefused(t *testing.T) {
	s, maker := site(t)
	for name, change := range map[string]func(*softkey.Key, *writ.Registration){
		"a user who was not verified": func(k *softkey.Key, r *writ.Registration) {
			k.Flags &^= softkey.Verified
			*r = k.Create(t, challenge)
		},
		"nobody present":    func(k *softkey.Key, r *writ.Registration) { k.Flags &^= softkey.Present; *r = k.Create(t, challenge) },
		"another challenge": func(k *softkey.Key, r *writ.Registration) { *r = k.Create(t, challenge[1:]) },
		"another origin": func(k *softkey.Key, r *writ.Registration) {
			k.Origin = "https://writ.example"
			*r = k.Create(t, challenge)
		},
		"another rpId": func(k *softkey.Key, r *writ.Registration) { k.RP = "writ.example"; *r = k.Create(t, challenge) },
		"a page of another": func(k *softkey.Key, r *writ.Registration) {
			k.Extra = `,"crossOrigin":true`
			*r = k.Create(t, challenge)
		},
		"backed up impossibly":  func(k *softkey.Key, r *writ.Registration) { k.Flags |= softkey.BackedUp; *r = k.Create(t, challenge) },
		"an assertion":          func(k *softkey.Key, r *writ.Registration) { r.ClientData = k.ClientData("webauthn.get", challenge) },
		"another id":            func(_ *softkey.Key, r *writ.Registration) { r.Credential = []byte("another") },
		"no id":                 func(_ *softkey.Key, r *writ.Registration) { r.Credential = nil },
		"no attestation":        func(_ *softkey.Key, r *writ.Registration) { r.Attestation = nil },
		"an endless one":        func(_ *softkey.Key, r *writ.Registration) { r.Attestation = make([]byte, 20<<10) },
		"an altered one":        func(_ *softkey.Key, r *writ.Registration) { r.Attestation[len(r.Attestation)-60] ^= 1 },
		"no client data":        func(_ *softkey.Key, r *writ.Registration) { r.ClientData = nil },
		"client data with more": func(_ *softkey.Key, r *writ.Registration) { r.ClientData = append(r.ClientData, ' ') },
	} {
		t.Run(name, func(t *testing.T) {
			k := key(t, maker)
			r := k.Create(t, challenge)
			change(k, &r)
			c, err := s.Register(challenge, r, now)
			if writ.ReasonOf(err) != writ.ReasonPasskeyForm {
				t.Errorf("%+v %v", c, err)
			}
		})
	}
}

func TestABrowserIsAskedForAVerifiedUserAndForAttestationWhereItCounts(t *testing.T) {
	s, _ := site(t)
	who := writ.Person{Iss: "https://idp.example", Sub: "ann"}
	have := []writ.Credential{{ID: []byte{0xfb, 0xff}}}
	o := s.Creation(challenge, who, have)
	if o.Selection.UserVerification != "required" || o.Attestation != "direct" || o.RP.ID != rp || len(o.Parameters) != 3 || o.Exclude[0].ID != "-_8" {
		t.Errorf("%+v", o)
	}
	if other := s.Creation(challenge, writ.Person{Iss: "https://other.example", Sub: "ann"}, nil); other.User.ID == o.User.ID || other.Exclude == nil {
		t.Error("two people of one subject have one user handle")
	}
	s.Models = nil
	if o := s.Creation(challenge, who, nil); o.Attestation != "none" {
		t.Errorf("asked for %s attestation, which counts nowhere", o.Attestation)
	}
	r := s.Request([]byte("statement"), have)
	if r.UserVerification != "required" || r.RPID != rp || r.Challenge == "" || len(r.Allow) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestASiteHasAnOriginOfItsOwnAndModelsWithRoots(t *testing.T) {
	good, _ := site(t)
	for name, change := range map[string]func(*passkey.Site){
		"no origin":    func(s *passkey.Site) { s.Origin = "" },
		"a wider rpId": func(s *passkey.Site) { s.RP = "writ.example" },
		"a model without roots": func(s *passkey.Site) {
			s.Models = map[string]*x509.CertPool{"01020300-0000-0000-0000-000000000001": nil}
		},
		"no model at all": func(s *passkey.Site) {
			s.Models = map[string]*x509.CertPool{"00000000-0000-0000-0000-000000000000": x509.NewCertPool()}
		},
		"a model that is none": func(s *passkey.Site) { s.Models = map[string]*x509.CertPool{"yubikey": x509.NewCertPool()} },
	} {
		s := good
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzRegister(f *testing.F) {
	s, maker := site(f)
	for _, m := range []*softkey.Maker{nil, maker} {
		k := key(f, m)
		r := k.Create(f, challenge)
		f.Add(r.Credential, r.ClientData, r.Attestation)
	}
	f.Fuzz(func(t *testing.T, id, client, attestation []byte) {
		c, err := s.Register(challenge, writ.Registration{Credential: id, ClientData: client, Attestation: attestation}, now)
		if err == nil && (approval.CheckCredential(c) != nil || !slices.Equal(c.ID, id)) {
			t.Fatalf("enrolled %+v", c)
		}
	})
}
