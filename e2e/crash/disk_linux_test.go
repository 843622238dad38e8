package crash_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
)

// smallDisk mounts a disk of 12 MiB. A process without the right to mount leaves the test out; ./test runs as root.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m,mode=700"); err != nil {
		t.Skipf("only root can mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill leaves no byte free; the returned function makes room again.
func fill(t *testing.T, dir string) func() {
	t.Helper()
	file := filepath.Join(dir, "ballast")
	f, err := os.Create(file)
	must(t, err)
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			block = block[:len(block)/2]
		}
	}
	return func() { must(t, os.Remove(file)) }
}

// onSmallDisk puts the state of one process on a small disk.
func onSmallDisk(t *testing.T, name string) (s *site, disk string) {
	s = prepare(t, threeProcesses)
	disk = filepath.Join(s.dir, "disk")
	smallDisk(t, disk)
	switch name {
	case "server":
		s.edit(func(c *config.Server) { c.Data = disk; s.database.configure(t, c) })
	case "signer":
		c, err := config.LoadSigner(s.in.Signer)
		must(t, err)
		state, err := os.ReadFile(c.Path(c.State))
		must(t, err)
		c.State = filepath.Join(disk, "signer.state")
		must(t, os.WriteFile(c.State, state, 0o600))
		b, err := yaml.Marshal(c)
		must(t, err)
		must(t, os.WriteFile(s.in.Signer, b, 0o600))
	case "runner":
		c, err := config.LoadRunner(s.in.Runner)
		must(t, err)
		c.Journal = filepath.Join(disk, "runner.db")
		b, err := yaml.Marshal(c)
		must(t, err)
		must(t, os.WriteFile(s.in.Runner, b, 0o600))
	}
	return s, disk
}

// TestD06AFullDiskRefusesNewWork fills the disk of the server's data, or of the runner's journal, while a run waits for
// its effect. New work is refused, the run in flight ends undone or where it was going, and with room again all is well.
func TestD06AFullDiskRefusesNewWork(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"server", "runner"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, disk := onSmallDisk(t, name)
			s.start()
			sc := scenarioOf(scenarios, "stop")
			sc.during = func(s *site, run writ.RunID) error {
				if err := s.applied(run); err != nil {
					return err
				}
				room := fill(t, disk)
				if name == "server" {
					err := error(nil) // what the database holds in reserve is used up first
					for n := 0; err == nil && n < 2000; n++ {
						_, err = s.src.Alert(t.Context(), s.webhook(s.services[0]))
					}
					if err == nil || !errors.Is(err, writ.ErrUnavailable) {
						t.Errorf("an alert on a full disk is answered with %v, want a refusal as unavailable", err)
					}
				} else {
					in, err := s.src.Alert(t.Context(), s.webhook(s.services[0]))
					if err != nil {
						return err
					}
					was, err := s.shop.Look(s.services[0])
					if err != nil {
						return err
					}
					with, _ := twoSteps(was)
					with["service"] = writ.String(s.services[0])
					ev, _, err := s.reads.Observe(t.Context(), in.ID, "httpapi/service.status", shop, writ.Parameters{"service": writ.String(s.services[0])})
					if err != nil {
						return err
					}
					p, err := s.asks.Propose(t.Context(), writ.Ask{Incident: in.ID, Playbook: "helps", Parameters: with, Evidence: []writ.EvidenceID{ev.ID}, Because: "a test says so"})
					if err != nil {
						return err
					}
					if p, err = s.person.WaitPlan(t.Context(), p.ID, writ.PlanPlanning); err != nil || p.Run != "" || !p.State.Final() {
						t.Errorf("a plan that cannot be journalled is %s with run %q (%v)", p.State, p.Run, err)
					}
				}
				room()
				return s.stopWhenApplied(run)
			}
			r, err := s.drive(sc, s.services[0])
			s.sound(t, err)
			_, err = s.quiet()
			s.sound(t, err)
			s.sound(t, s.accept(r, writ.RunUndone))
			s.last(t)
		})
	}
}

// TestD06AReadOnlyDiskIsOneSentence starts server and runner on a disk that cannot be written: each says so and ends.
func TestD06AReadOnlyDiskIsOneSentence(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"server", "runner"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, disk := onSmallDisk(t, name)
			must(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=12m"))
			p := map[string]*process{"server": s.server, "runner": s.runner}[name]
			out, err := exec.CommandContext(t.Context(), p.binary, p.args...).CombinedOutput()
			if err == nil {
				t.Fatal("it started")
			}
			var said []string
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, "read-only") {
					said = append(said, line)
				}
			}
			if len(said) != 1 {
				t.Errorf("it must say once that the disk is read-only:\n%s", out)
			}
		})
	}
}

// TestD06AFullDiskDoesNotStopTheSigner: the signer's memory has had its room since it was made, and is written in place.
// It signs on a full disk, and starts on one.
func TestD06AFullDiskDoesNotStopTheSigner(t *testing.T) {
	t.Parallel()
	s, disk := onSmallDisk(t, "signer")
	fill(t, disk)
	s.start()
	s.last(t)
}

// withoutRoom takes the room of the older half of the signer's memory away, as a file system does that never writes in
// place, and fills the disk: the next head cannot be remembered. The returned function makes room again.
func withoutRoom(t *testing.T, s *site, disk string) (room func()) {
	t.Helper()
	s.signer.signal(syscall.SIGSTOP)
	defer s.signer.signal(syscall.SIGCONT)
	await(t, "the signer's stop", func() (bool, string) { return s.signer.stopped(), s.trouble() })
	f, err := os.OpenFile(filepath.Join(disk, "signer.state"), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	const half, after = 4096, 8      // see durable.Cell: two slots, each with its number after a word
	const keepSize, punchHole = 1, 2 // fallocate(2)
	var number [2][8]byte
	for i := range number {
		_, err := f.ReadAt(number[i][:], int64(i*half+after))
		must(t, err)
	}
	older := 0
	if bytes.Compare(number[0][:], number[1][:]) > 0 {
		older = 1
	}
	must(t, syscall.Fallocate(int(f.Fd()), keepSize|punchHole, int64(older*half), half))
	return fill(t, disk)
}

// TestD06ASignerThatCannotRememberSignsNothing: the signer's memory cannot be written, since its disk has no room for it.
// No head is signed: a grant is not handed out, an intent is not acknowledged, and so nothing is called. With room again,
// and restarted, it goes on.
func TestD06ASignerThatCannotRememberSignsNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a run waits a minute for its intent")
	}
	uncalled := func(s *site) error {
		if n := len(s.wire.seen()); n != 0 {
			return fmt.Errorf("%d changes that the ledger never acknowledged", n)
		}
		return nil
	}
	again := func(s *site, room func()) {
		room()
		s.signer.signal(syscall.SIGKILL) // it is started again
	}
	t.Run("before the grant", func(t *testing.T) {
		t.Parallel()
		s, disk := onSmallDisk(t, "signer")
		s.start()
		sc := scenarioOf(scenarios, "approved")
		room := func() {}
		sc.asked = func(s *site) error { room = withoutRoom(t, s, disk); return nil }
		sc.during = func(s *site, _ writ.RunID) error {
			err := s.persist("three tries to have the grant signed", func(context.Context) error {
				if strings.Count(s.server.tail(), "checkpoint not signed") < 3 {
					return writ.ErrUnavailable
				}
				return nil
			})
			err = errors.Join(err, uncalled(s))
			again(s, room)
			return err
		}
		r, err := s.drive(sc, s.services[0])
		s.sound(t, err)
		_, err = s.quiet()
		s.sound(t, err)
		s.sound(t, s.accept(r, writ.RunSucceeded))
		s.last(t)
	})
	t.Run("before an intent", func(t *testing.T) {
		t.Parallel()
		s, disk := onSmallDisk(t, "signer")
		s.start()
		sc := scenarioOf(scenarios, "success")
		must(t, s.runner.write("stop journal-intent after 1\n"))
		sc.during = func(s *site, run writ.RunID) error {
			err := s.persist("the runner's stop", func(context.Context) error {
				if !s.runner.stopped() {
					return writ.ErrUnavailable
				}
				return nil
			})
			room := withoutRoom(t, s, disk)
			s.runner.signal(syscall.SIGCONT)
			err = errors.Join(err, s.persist("the turn to safety", func(context.Context) error {
				if !strings.Contains(s.runner.tail(), "run concluded") {
					return writ.ErrUnavailable
				}
				return nil
			}), uncalled(s))
			again(s, room)
			return err
		}
		r, err := s.drive(sc, s.services[0])
		s.sound(t, err)
		_, err = s.quiet()
		s.sound(t, err)
		s.sound(t, s.accept(r, writ.RunFailed))
		s.last(t)
	})
}

// TestD06ASlowDiskIsOnlySlow makes each flush of server, signer and runner take 30 ms longer: by strace where tracing is
// allowed, otherwise by the points after each write.
func TestD06ASlowDiskIsOnlySlow(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses)
	traced := exec.Command("strace", "-D", "-o", os.DevNull, "true").Run() == nil
	for _, p := range s.processes() {
		if traced {
			p.prefix = []string{"strace", "-D", "-f", "-qq", "-o", filepath.Join(s.dir, p.name+".strace"), "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=30000"}
		} else {
			t.Log("processes cannot be traced here: the fault points are slow instead")
			p.faults(t, "sleep=30ms store-commit after 1+", "sleep=30ms signer-head after 1+", "sleep=30ms journal-spent after 1+", "sleep=30ms journal-effect after 1+",
				"sleep=30ms journal-intent after 1+", "sleep=30ms journal-proved after 1+", "sleep=30ms journal-revoked after 1+")
		}
	}
	s.start()
	for _, name := range []string{"success", "undo"} {
		sc := scenarioOf(scenarios, name)
		r, err := s.drive(sc, s.services[0])
		s.sound(t, err)
		_, err = s.quiet()
		s.sound(t, err)
		s.sound(t, s.accept(r, sc.ends))
	}
	for _, p := range s.processes() {
		if !traced {
			break
		}
		b, err := os.ReadFile(filepath.Join(s.dir, p.name+".strace"))
		must(t, err)
		if !strings.Contains(string(b), "(DELAYED)") {
			t.Errorf("%s was not slow", p.name)
		}
	}
}
