package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is the one cluster of a test binary. Its zero value is ready; see Main.
type Shared struct {
	once    sync.Once
	cluster *Cluster
	dir     string
	err     error
}

// Cluster returns the cluster, which the first caller starts. If that fails, every test that asks fails with the
// reason. It lives until Main ends, not until t ends.
func (s *Shared) Cluster(t testing.TB) *Cluster {
	t.Helper()
	s.once.Do(s.start)
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

func (s *Shared) start() {
	s.err = errors.New("test cluster: its start ended in a panic")
	if s.dir, s.err = os.MkdirTemp("", "writ-testbed-"); s.err == nil {
		s.cluster, s.err = Start(context.Background(), s.dir)
	}
}

// Main runs the tests of a package and ends its cluster, if one was started. Call it from TestMain and return after it.
// WRIT_TESTBED_KEEP, if not empty, keeps the cluster's folder, with its logs, and says where it is.
func Main(m *testing.M, s *Shared) {
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Close ends the cluster, if one was started, and removes its folder. Main calls it.
func (s *Shared) Close() error {
	if s.cluster != nil {
		s.cluster.Stop()
	}
	if s.dir == "" {
		return nil
	}
	if os.Getenv("WRIT_TESTBED_KEEP") != "" {
		fmt.Fprintln(os.Stderr, "testbed: kept", s.dir)
		return nil
	}
	return os.RemoveAll(s.dir)
}
