package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/testbed"
)

var shared testbed.Shared

// atOnce is how many tests run at a time, however few processors there are: they wait much more than they compute, most
// of all for tokens to die.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testbed.Main(m, &shared)
}

// A bed is what all tests of this package share: the cluster with the two accounts that a runner is given, and the
// binary.
type bed struct {
	*testbed.Cluster
	kube           *kubernetes.Clientset // the administrator: whoever is not Writ
	writ           string                // the binary, until the test has ended
	minter, reader string                // tokens of the runner's accounts
}

var theBed struct {
	sync.Once
	bed bed
	err error
}

func newBed(t testing.TB) bed {
	t.Helper()
	c := shared.Cluster(t)
	theBed.Do(func() {
		b := &theBed.bed
		b.Cluster, b.kube = c, c.Client(t)
		if theBed.err = install.Accounts(b.kube, ".."); theBed.err != nil {
			return
		}
		b.minter = c.Token(t, "writ-system", "writ-minter", 2*time.Hour)
		b.reader = c.Token(t, "writ-system", "writ-reader", 2*time.Hour)
	})
	if theBed.err != nil {
		t.Fatal(theBed.err)
	}
	if theBed.bed.reader == "" {
		t.Fatal("the bed could not be made; see the first test")
	}
	b := theBed.bed
	b.writ = install.Binary(t)
	return b
}

// await polls until done, or fails the test with the last state.
func await(t testing.TB, what string, done func() (ok bool, state string)) {
	t.Helper()
	testbed.Await(t, what, func(context.Context) (bool, string, error) {
		ok, state := done()
		return ok, state, nil
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	return b
}

func write(t testing.TB, file string, b []byte) {
	t.Helper()
	must(t, os.WriteFile(file, b, 0o600))
}

func readAll(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	must(t, err)
	return string(b)
}
