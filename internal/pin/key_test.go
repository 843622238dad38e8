package pin_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/pin"
)

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	key, err := pin.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func TestAKeyFileIsPrivateAndSurvivesARoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runner.key")
	made, err := pin.Create(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	loaded, err := pin.Load(path)
	if err != nil || !loaded.Equal(made) {
		t.Errorf("the loaded key is another one: %v", err)
	}
}

func TestAKeyFileIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runner.key")
	if _, err := pin.Create(path, rand.Reader); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if _, err := pin.Create(path, rand.Reader); !errors.Is(err, fs.ErrExist) {
		t.Errorf("want fs.ErrExist, got %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the key changed")
	}
}

func TestI20AKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runner.key")
	if _, err := pin.Create(path, rand.Reader); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := pin.Load(path); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("mode %o: want fs.ErrPermission, got %v", mode, err)
		}
	}
}

func TestOnlyASmallRegularFileIsAKeyFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, 17<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, large, filepath.Join(dir, "absent")} {
		if b, err := pin.ReadFile(path); err == nil {
			t.Errorf("%s: read %d bytes", path, len(b))
		}
	}
}

func TestI20ErrorsOfParseKeyContainNothingOfTheInput(t *testing.T) {
	good, err := pin.MarshalKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(good), "\n")[1]
	for name, in := range map[string]string{
		"nothing":          "",
		"text":             "canary",
		"text around":      "canary\n" + string(good),
		"two keys":         string(good) + string(good),
		"headers":          strings.Replace(string(good), "KEY-----\n", "KEY-----\nProc-Type: canary\n\n", 1),
		"another kind":     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"garbage in PEM":   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("canary")})),
		"a public PEM":     strings.ReplaceAll(string(good), "PRIVATE", "PUBLIC"),
		"an old PEM label": strings.ReplaceAll(string(good), "PRIVATE", "EC PRIVATE"),
	} {
		t.Run(name, func(t *testing.T) {
			key, err := pin.ParseKey([]byte(in))
			if err == nil {
				t.Fatalf("took %x", key)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows the input: %v", err)
			}
		})
	}
}

func TestAPublicKeySurvivesARoundTrip(t *testing.T) {
	key := newKey(t)
	b, err := pin.MarshalPublic(public(key))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pin.ParsePublic(b); err != nil || !got.Equal(public(key)) {
		t.Errorf("%v", err)
	}
	private, _ := pin.MarshalKey(key)
	if _, err := pin.ParsePublic(private); err == nil {
		t.Error("took a private key for a public one")
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pin.ParsePublic(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})); err == nil {
		t.Error("took a key of another kind")
	}
	if b, err := pin.MarshalPublic(nil); err == nil {
		t.Errorf("wrote %s", b)
	}
	if b, err := pin.MarshalKey(nil); err == nil {
		t.Errorf("wrote %s", b)
	}
}

func TestAFingerprintIsOfAnEd25519KeyOnly(t *testing.T) {
	f := pin.Fingerprint(public(newKey(t)))
	if !pin.IsFingerprint(f) {
		t.Errorf("%q is no fingerprint", f)
	}
	if f == pin.Fingerprint(public(newKey(t))) {
		t.Error("two keys share a fingerprint")
	}
	for _, bad := range []string{"", "sha256:", strings.ToUpper(f), f[:70] + "g", f[:70] + "/", f + "0", strings.Replace(f, "sha256", "sha512", 1)} {
		if pin.IsFingerprint(bad) {
			t.Errorf("%q passes as a fingerprint", bad)
		}
	}
	if got := pin.Fingerprint(nil); got != "" {
		t.Errorf("no key has the fingerprint %q", got)
	}
}

func FuzzParseKey(f *testing.F) {
	good, err := pin.MarshalKey(newKey(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := pin.ParseKey(b)
		if err != nil {
			return
		}
		again, err := pin.MarshalKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := pin.ParseKey(again); err != nil || !same.Equal(key) {
			t.Fatalf("the key does not survive: %v", err)
		}
	})
}
