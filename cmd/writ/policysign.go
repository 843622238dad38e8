package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/seal"
	"github.com/writ-dev/writ/internal/quorum"
	"github.com/writ-dev/writ/internal/server"
)

func runPolicySign(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "policy sign", "<dir> --key owner.pem [--version N]", "Signs a policy set as one of its owners, into bundle.sig beside it. With --version it begins a new signature file, which makes those of other owners void; without, it adds a signature to the file that is there.")
	key := f.String("key", "", "the owner's private key `file`")
	version := f.Int64("version", 0, "begin version `N`: above every version that was in force")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *key == "" {
		return &usageError{"--key is missing", "--key keys/policy-owner.pem"}
	}
	owner, err := pin.Load(*key)
	if err != nil {
		return err
	}
	in, err := setIn(rest[0])
	if err != nil {
		return err
	}
	sources, was, err := policy.ReadSources(in)
	if err != nil {
		return err
	}
	var out []byte
	switch {
	case *version != 0:
		out, err = seal.Sign(sources, *version, owner)
	case len(was) == 0:
		return &usageError{"the set is not signed yet: --version is missing", "--version 1"}
	default:
		out, err = seal.AddSignature(was, sources, owner)
	}
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(rest[0], policy.FileSignature), out, 0o644); err != nil {
		return err
	}
	m, err := seal.Read(out)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "✔ version %d, %d files, signed by %s\n", m.Version, len(m.Files), quorum.KeyID(owner.Public().(ed25519.PublicKey)))
	return nil
}

// ownerFlags say whose signatures count: the server's policy_owners, or keys named here.
type ownerFlags struct {
	keys      words
	threshold int
}

func addOwnerFlags(f *flags) *ownerFlags {
	o := &ownerFlags{}
	f.Var(&o.keys, "owner", "public key `file` of an owner, instead of -c; may be repeated")
	f.IntVar(&o.threshold, "threshold", 1, "with --owner: how many must have signed")
	return o
}

func (o *ownerFlags) read(serverFile string, dev bool) (quorum.Owners, error) {
	if len(o.keys) == 0 {
		if serverFile == "" {
			return quorum.Owners{}, &usageError{"say whose signatures count", "-c writ.yaml (its policy_owners), or --owner file --threshold N"}
		}
		c, err := config.LoadServer(serverFile, dev)
		if err != nil {
			return quorum.Owners{}, err
		}
		return server.PolicyOwners(c)
	}
	out := quorum.Owners{Threshold: o.threshold}
	for _, file := range o.keys {
		b, err := os.ReadFile(file)
		if err != nil {
			return out, fmt.Errorf("%w: owner: %w", writ.ErrInvalid, err)
		}
		k, err := pin.ParsePublic(b)
		if err != nil {
			return out, fmt.Errorf("owner %s: %w", file, err)
		}
		out.Keys = append(out.Keys, k)
	}
	return out, out.Check()
}

func runPolicyVerify(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "policy verify", "<dir> -c writ.yaml | --owner file … --threshold N", "Checks that enough owners signed exactly the files of a policy set. Exit 5 if not.")
	file, dev := f.String("c", "", "a server's configuration `file`"), f.Bool("dev", false, "read the configuration as writ serve --dev does")
	o := addOwnerFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	owners, err := o.read(*file, *dev)
	if err != nil {
		return err
	}
	in, err := setIn(rest[0])
	if err != nil {
		return err
	}
	sources, signature, err := policy.ReadSources(in)
	if err != nil {
		return err
	}
	m, signers, err := seal.Verify(signature, sources, owners)
	if err != nil {
		return &exitError{exitDiffers, err.Error()}
	}
	fmt.Fprintf(a.stdout, "✔ version %d, %d files, signed by %d of %d owners, and %d must\n", m.Version, len(m.Files), len(signers), len(owners.Keys), owners.Threshold)
	return nil
}
