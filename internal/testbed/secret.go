package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// secrets are the files the API server and the controller manager share.
type secrets struct {
	dir        string // the API server writes its self-signed apiserver.crt here; for 127.0.0.1 that is its CA file too
	signingKey string // private key of ServiceAccount tokens
	publicKey  string // its public half: the API server takes no PKCS #8 private key as a verification key
	tokens     string // the static token file
	admin      string // the administrator's bearer token itself
}

// newSecrets makes a key and a token that no other cluster has.
func newSecrets(dir string) (*secrets, error) {
	s := &secrets{
		dir:        dir,
		signingKey: filepath.Join(dir, "sa.key"),
		publicKey:  filepath.Join(dir, "sa.pub"),
		tokens:     filepath.Join(dir, "tokens.csv"),
		admin:      rand.Text(),
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{
		s.signingKey: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		s.publicKey:  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		s.tokens:     []byte(s.admin + ",admin,admin,system:masters\n"),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}
	return s, nil
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: testbed, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: admin, user: {token: %q}}]
contexts: [{name: testbed, context: {cluster: testbed, user: admin}}]
current-context: testbed
`

func writeKubeconfig(path, host, caFile, token string) error {
	return os.WriteFile(path, fmt.Appendf(nil, kubeconfig, host, caFile, token), 0o600)
}
