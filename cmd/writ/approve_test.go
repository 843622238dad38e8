package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// TestI12ASignatureByOpenSSHCountsAsOurs signs a statement with ssh-keygen, as --sk does with a key in hardware, and has
// it verified as server and runner do. The key is a plain one: no hardware is here.
func TestI12ASignatureByOpenSSHCountsAsOurs(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh-keygen is needed: install openssh-client")
		}
		t.Skip("ssh-keygen is not installed; --sk needs it")
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "ana")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s := writ.ApprovalStatement{
		Type: writ.ApprovalType, Answer: writ.Approve, Plan: "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB", Incident: "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB",
		PlanDigest: writ.DigestOf([]byte("p")), Tier: writ.T2, PolicyDigest: writ.DigestOf([]byte("q")), EvidenceDigest: writ.DigestOf([]byte("r")),
		Runner: "spiffe://writ.local/runner/local", Approver: writ.Person{Iss: "https://idp", Sub: "ana"}, Slot: "owner",
		Nonce: "0123456789012345678901", NotBefore: writ.Instant(now.Add(-time.Minute)), Expires: writ.Instant(now.Add(time.Minute)),
	}
	statement, err := s.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := keygen(t.Context(), io.Discard, file, approval.Namespace, statement)
	if err != nil {
		t.Fatal(err)
	}
	roster := approval.Roster{{Iss: "https://idp", Sub: "ana", Groups: []string{"payments"}, Keys: []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))}}}
	v, err := approval.Verify(writ.Approval{Statement: statement, Signature: signature}, roster, now)
	if err != nil || v.Proof != writ.ProofD {
		t.Errorf("a plain key is proof D: %s, %v", v.Proof, err)
	}
	if _, err := keygen(t.Context(), io.Discard, filepath.Join(t.TempDir(), "none"), approval.Namespace, statement); err == nil {
		t.Error("a key that is not there signed")
	}
}
