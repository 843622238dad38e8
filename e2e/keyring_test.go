package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"github.com/writ-dev/writ/internal/approval/approvaltest"
)

// softKeys is an ssh-agent whose keys are security keys in software: ssh-keygen signs with them as with hardware.
type softKeys struct {
	sshagent.Agent
	keys map[string]*approvaltest.Key
}

func (a softKeys) List() ([]*sshagent.Key, error) {
	var out []*sshagent.Key
	for name, k := range a.keys {
		out = append(out, &sshagent.Key{Format: k.PublicKey().Type(), Blob: k.PublicKey().Marshal(), Comment: name})
	}
	return out, nil
}

func (a softKeys) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	for _, k := range a.keys {
		if bytes.Equal(k.PublicKey().Marshal(), key.Marshal()) {
			return k.Sign(rand.Reader, data)
		}
	}
	return nil, errors.New("no such key")
}

// A keyring is an agent with a security key for each of some people.
type keyring struct {
	dir    string // short, for sockets
	socket string // of the agent
	keys   map[string]*approvaltest.Key
	public map[string]string // person -> file of the public key
	lines  map[string]string // person -> the key, as rosters have it
}

// newKeyring makes keys for people and serves them until the test ends.
func newKeyring(t testing.TB, people ...string) *keyring {
	t.Helper()
	short, err := os.MkdirTemp("", "writ") // a socket's path has at most 108 bytes
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(short) })
	r := &keyring{dir: short, socket: filepath.Join(short, "agent"), keys: map[string]*approvaltest.Key{}, public: map[string]string{}, lines: map[string]string{}}
	for _, who := range people {
		k, err := approvaltest.NewKey(rand.Reader, approvaltest.Touched|approvaltest.Verified)
		must(t, err)
		r.keys[who], r.lines[who] = k, k.Line()
		r.public[who] = filepath.Join(short, who+".pub")
		write(t, r.public[who], []byte(k.Line()+"\n"))
	}
	keys := softKeys{Agent: sshagent.NewKeyring(), keys: r.keys}
	l, err := net.Listen("unix", r.socket)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go sshagent.ServeAgent(keys, c)
		}
	}()
	return r
}

// commandLimit bounds one command: comparing two policy sets is the slowest, and takes seconds.
const commandLimit = 2 * time.Minute

// try runs the binary with the agent at hand.
func (r *keyring) try(t testing.TB, bin, dir string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = dir, &out, &errs, append(os.Environ(), "SSH_AUTH_SOCK="+r.socket)
	if _, ended := errors.AsType[*exec.ExitError](cmd.Run()); cmd.ProcessState == nil {
		t.Errorf("writ %s did not run (%t)", strings.Join(args, " "), ended)
		return result{code: -1}
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}
