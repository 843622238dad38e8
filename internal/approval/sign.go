package approval

import (
	"bytes"
	"fmt"
	"io"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
)

// Sign signs the bytes of a statement and returns the armored signature, as
// "ssh-keygen -Y sign -n approval@writ.dev" would.
func Sign(statement []byte, signer ssh.Signer, rand io.Reader) (string, error) {
	if _, err := writ.ParseApprovalStatement(statement); err != nil {
		return "", err
	}
	return sign(statement, Namespace, signer, rand)
}

func sign(statement []byte, namespace string, signer ssh.Signer, rand io.Reader) (string, error) {
	if kindOf(signer.PublicKey()) == kindNone {
		return "", fmt.Errorf("%w: a key of type %s cannot approve", writ.ErrInvalid, signer.PublicKey().Type())
	}
	sig, err := sshsig.SignWithRand(bytes.NewReader(statement), rand, signer, sshsig.HashSHA512, namespace)
	if err != nil {
		return "", fmt.Errorf("approval: signing: %w", err)
	}
	return string(sshsig.Armor(sig)), nil
}
