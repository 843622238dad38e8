package authn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// newServerCA writes a certificate that vouches for no server.
func newServerCA(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	good := authn.Issuer{URL: "https://idp.example", Audience: audience, Kind: writ.KindHuman, Algorithms: []string{"ES256"}}
	notPEM := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*authn.Config){
		"nobody":           func(c *authn.Config) { c.Issuers = nil },
		"no clock":         func(c *authn.Config) { c.Now = nil },
		"twice":            func(c *authn.Config) { c.Issuers = append(c.Issuers, good) },
		"plain HTTP":       func(c *authn.Config) { c.Issuers[0].URL = "http://idp.example" },
		"HTTP here":        func(c *authn.Config) { c.Issuers[0].URL = "http://127.0.0.1:1" },
		"dev, HTTP there":  func(c *authn.Config) { c.Dev = true; c.Issuers[0].URL = "http://idp.example" },
		"with a query":     func(c *authn.Config) { c.Issuers[0].URL += "?x=y" },
		"dev issuer":       func(c *authn.Config) { c.Issuers[0].URL = authn.DevIssuer },
		"no audience":      func(c *authn.Config) { c.Issuers[0].Audience = "" },
		"a runner":         func(c *authn.Config) { c.Issuers[0].Kind = writ.KindRunner },
		"no kind":          func(c *authn.Config) { c.Issuers[0].Kind = "" },
		"no algorithm":     func(c *authn.Config) { c.Issuers[0].Algorithms = nil },
		"HS256":            func(c *authn.Config) { c.Issuers[0].Algorithms = []string{"ES256", "HS256"} },
		"none":             func(c *authn.Config) { c.Issuers[0].Algorithms = []string{"none"} },
		"no such file":     func(c *authn.Config) { c.Issuers[0].CAFile = "/does/not/exist" },
		"not PEM":          func(c *authn.Config) { c.Issuers[0].CAFile = notPEM },
		"keys without dev": func(c *authn.Config) { c.Keys = []authn.DevKey{devKey(writ.KindHuman)} },
		"a runner's key":   func(c *authn.Config) { c.Dev = true; c.Keys = []authn.DevKey{devKey(writ.KindRunner)} },
		"a key twice": func(c *authn.Config) {
			c.Dev = true
			c.Keys = []authn.DevKey{devKey(writ.KindHuman), devKey(writ.KindAgent)}
		},
		"a key without a hash": func(c *authn.Config) {
			c.Dev = true
			c.Keys = []authn.DevKey{{Kind: writ.KindHuman, Sub: "x"}}
		},
	} {
		c := authn.Config{Issuers: []authn.Issuer{good}, Now: time.Now}
		change(&c)
		if _, err := authn.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		} else if name != "no such file" && !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	here := good
	here.URL = "http://127.0.0.1:1"
	if _, err := authn.New(authn.Config{Issuers: []authn.Issuer{good, here}, Dev: true, Now: time.Now}); err != nil {
		t.Errorf("plain HTTP on this machine under --dev: %v", err)
	}
}

func devKey(k writ.Kind) authn.DevKey {
	return authn.DevKey{Hash: writ.DigestOf([]byte("a token")), Kind: k, Sub: "dev"}
}

func TestADevelopmentKeyIsItsPrincipalUnderDevOnly(t *testing.T) {
	token, hash, err := authn.NewDevToken(rand.Reader)
	if err != nil || !strings.HasPrefix(token, "writdev_") || len(token) != len("writdev_")+43 {
		t.Fatalf("%q %v", token, err)
	}
	other, _, err := authn.NewDevToken(rand.Reader)
	if err != nil || other == token {
		t.Fatal("the same token twice", err)
	}
	a, err := authn.New(authn.Config{Dev: true, Now: time.Now, Keys: []authn.DevKey{
		devKey(writ.KindHuman), {Hash: hash, Kind: writ.KindAgent, Sub: "repair"}, {Hash: writ.DigestOf([]byte("z")), Kind: writ.KindHuman, Sub: "z"}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := who(t, a, "Bearer "+token)
	if want := (writ.Principal{Kind: writ.KindAgent, Iss: "https://writ.local/dev", Sub: "repair"}); err != nil || p != want {
		t.Errorf("got %v, %v", p, err)
	}
	for name, bad := range map[string]string{"another": other, "cut": token[:len(token)-1], "longer": token + "A", "prefix only": "writdev_",
		"upper case": strings.ToUpper(token), "its hash": hash.String(), "not base64url": "writdev_" + strings.Repeat("!", 43), "what the first hash is of": "a token"} {
		p, err := who(t, a, "Bearer "+bad)
		wantNobody(t, name, p, err)
	}
	s, c := newServer(t), newClock()
	p, err = who(t, authenticator(t, c, s.issuer(writ.KindHuman)), "Bearer "+token)
	wantNobody(t, "without dev", p, err)
}

func FuzzPrincipal(f *testing.F) {
	a, err := authn.New(authn.Config{Now: time.Now, Dev: true, Keys: []authn.DevKey{devKey(writ.KindHuman)},
		Issuers: []authn.Issuer{{URL: "https://127.0.0.1:1", Audience: audience, Kind: writ.KindHuman, Algorithms: []string{"ES256"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer writdev_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("Bearer " + b64(`{"alg":"ES256","kid":"k"}`) + "." + b64(`{"iss":"https://elsewhere.example"}`) + ".AAAA")
	f.Add("Bearer ..")
	f.Fuzz(func(t *testing.T, header string) {
		if p, err := who(t, a, header); err == nil {
			t.Fatalf("%q is %v", header, p)
		}
	})
}
