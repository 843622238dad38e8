package testbed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
)

// kubeboxFolder is where the kubebox module lies below the root of this one.
const kubeboxFolder = "internal/testbed/kubebox"

// Kubebox returns the path of the kubebox binary for the sources in this checkout, building it if the user's cache
// directory does not hold it yet. That takes about eight minutes of two idle cores the first time and seconds with a
// warm build cache; it says so on stderr. A second caller, in this process or another, waits for the first. The binary
// appears under its final name only once it is whole.
func Kubebox(ctx context.Context) (string, error) {
	path, err := kubebox(ctx)
	if err != nil {
		return "", fmt.Errorf("kubebox: %w", err)
	}
	return path, nil
}

func kubebox(ctx context.Context) (string, error) {
	source, err := kubeboxSource()
	if err != nil {
		return "", err
	}
	version, err := kubernetesVersion(filepath.Join(source, "go.mod"))
	if err != nil {
		return "", err
	}
	flags := buildFlags(version)
	key, err := buildKey(ctx, source, flags)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "writ-testbed", key)
	path := filepath.Join(dir, "kubebox")
	if built(path) {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if built(path) { // by the one who held the lock before
		return path, nil
	}
	return path, build(ctx, source, path, version, flags)
}

func built(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func build(ctx context.Context, source, path, version string, flags []string) error {
	fmt.Fprintf(os.Stderr, "testbed: building Kubernetes v%s into %s: seconds with a warm Go build cache, else about eight minutes on two idle cores\n", version, path)
	began := time.Now()
	fresh := path + ".new" // one writer at a time: the lock is held
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-o", fresh, ".")...)
	cmd.Dir = source
	cmd.Env = buildEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s in %s: %w\n%s", cmd, source, err, bytes.TrimSpace(out)), os.RemoveAll(fresh))
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "testbed: built in %s\n", time.Since(began).Round(time.Second))
	return nil
}

// buildEnv leaves out what a caller's GOFLAGS or workspace would change about the build.
func buildEnv() []string {
	return append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
}

// buildFlags make the build reproducible. Clients compare server versions, so the version is stamped as a release
// would; commit and date are constants, so that they do not change the binary.
func buildFlags(version string) []string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	ld := "-s -w"
	for _, stamp := range []string{
		"gitVersion=v" + version, "gitMajor=" + major, "gitMinor=" + minor, "gitTreeState=clean",
		"gitCommit=" + strings.Repeat("0", 40), "buildDate=1970-01-01T00:00:00Z",
	} {
		ld += " -X k8s.io/component-base/version." + stamp
	}
	return []string{"-trimpath", "-buildvcs=false", "-ldflags", ld}
}

// buildKey names the content: everything that decides the binary.
func buildKey(ctx context.Context, source string, flags []string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Dir = source
	cmd.Env = buildEnv()
	platform, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", cmd, err)
	}
	h := sha256.New()
	add := func(name string, b []byte) { fmt.Fprintf(h, "%s %d\n%s", name, len(b), b) }
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		b, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		add(name, b)
	}
	add("flags", []byte(strings.Join(flags, "\x00")))
	add("platform", platform)
	return fmt.Sprintf("%x", h.Sum(nil))[:16], nil
}

func kubernetesVersion(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	f, err := modfile.Parse(path, b, nil)
	if err != nil {
		return "", err
	}
	for _, r := range f.Require {
		if r.Mod.Path == "k8s.io/kubernetes" {
			return strings.TrimPrefix(r.Mod.Version, "v"), nil
		}
	}
	return "", fmt.Errorf("%s requires no k8s.io/kubernetes", path)
}

// kubeboxSource finds the module from the working directory, which for a test is its package's folder. It cannot be
// embedded: a module's files do not belong to the module around it.
func kubeboxSource() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		source := filepath.Join(dir, filepath.FromSlash(kubeboxFolder))
		_, err := os.Stat(filepath.Join(source, "go.mod"))
		switch {
		case err == nil:
			return source, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		case dir == filepath.Dir(dir):
			return "", fmt.Errorf("no %s in %s or above it: run from a checkout of Writ", kubeboxFolder, start)
		}
	}
}
