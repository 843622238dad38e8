package runner_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/runner"
	"github.com/writ-dev/writ/internal/runner/journal"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/internal/trust"
)

const (
	presented = "https://writ.test/v1/runs"
	runnerID  = writ.RunnerID("spiffe://writ.test/runner/lab")
	service   = "shop"
)

var (
	agent = writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.test", Sub: "agent:repair"}
	scope = []writ.Location{"fake://lab/things"}
)

// world is one runner with its control plane and target. A clone of it, with a copy of the journal's file, is what
// remains when the process dies.
type world struct {
	t       testing.TB
	control *fakeControl
	target  *fakeTarget
	conn    connector.Connector // what the runner sees of target; nil for target itself
	trust   trust.Trust
	file    []byte // the signed trust file; what the runner reads
	owner   ed25519.PrivateKey
	author  ledger.Author
	people  map[string]ssh.Signer
	path    string
	journal *journal.Journal
	now     func() time.Time
	skew    *atomic.Int64 // nanoseconds that are added to now, also while the runner serves
	end     func()
	change  func(*runner.Config) // nil for none
	looked  int                  // entries of the ledger among which ended found nothing
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, target: newTarget(), path: filepath.Join(t.TempDir(), "journal.db"), people: map[string]ssh.Signer{}, now: time.Now, skew: new(atomic.Int64)}
	var k keys
	var err error
	k.grant, err = token.NewKey(rand.Reader)
	must(t, err)
	k.dispatch, err = token.NewKey(rand.Reader)
	must(t, err)
	k.entry = newAuthor(t)
	_, k.log, err = ed25519.GenerateKey(rand.Reader)
	must(t, err)
	_, w.owner, err = ed25519.GenerateKey(rand.Reader)
	must(t, err)
	w.author = newAuthor(t)
	w.control = newControl(k, w.author.Key.Public().(ed25519.PublicKey))
	w.trust = w.newTrust()
	w.sign()
	return w
}

func newAuthor(t testing.TB) ledger.Author {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	a, err := ledger.NewAuthor(key)
	must(t, err)
	return a
}

func (w *world) newTrust() trust.Trust {
	t := w.t
	public, err := token.MarshalPublic(&w.control.grant.PublicKey)
	must(t, err)
	vkey, err := ledger.VKey(origin, w.control.log.Public().(ed25519.PublicKey))
	must(t, err)
	var roster approval.Roster
	for _, name := range []string{"ann", "bob"} {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		must(t, err)
		signer, err := ssh.NewSignerFromKey(key)
		must(t, err)
		w.people[name] = signer
		roster = append(roster, approval.Member{Iss: "https://idp.test", Sub: name, Groups: []string{"shop"}, Keys: []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}})
	}
	out := trust.Trust{
		V: 1, Version: 1, Runner: runnerID, Expires: writ.Instant(time.Now().Add(24 * time.Hour)), Issuer: controlSelf.Iss,
		GrantKeys: []trust.GrantKey{{Kid: token.KeyID(&w.control.grant.PublicKey), PEM: string(public)}}, Presented: presented,
		Control:     []trust.Author{{Principal: controlSelf, KeyID: w.control.entry.KeyID, Public: w.control.entry.Key.Public().(ed25519.PublicKey)}},
		Log:         trust.Log{Origin: origin, VKey: vkey},
		Approvers:   roster,
		AgentOwners: []trust.AgentOwner{{Iss: agent.Iss, Sub: agent.Sub, Owner: writ.Person{Iss: "https://idp.test", Sub: "eve"}}},
		Services:    []trust.Service{{Name: service, Slots: map[string]string{"owner": "shop"}}},
		Ceiling: trust.Ceiling{
			MaxTier: writ.T2, HandleMaxTier: writ.T1, Targets: []writ.Location{targetName},
			Operations: []writ.OperationName{"fake/thing.set", "fake/thing.replace"}, MaxObjects: 3, MaxPermille: 1000, RunsPerHour: 100,
			Quorum: map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofD}},
		},
	}
	for _, source := range playbooks {
		pb, digest, err := playbook.Parse([]byte(source))
		must(t, err)
		out.Playbooks = append(out.Playbooks, writ.PlaybookRef{Name: pb.Name, Version: pb.Version, Digest: digest})
	}
	return out
}

// sign makes the trust file from w.trust.
func (w *world) sign() {
	w.t.Helper()
	file, err := trust.Sign(w.trust, w.owner)
	must(w.t, err)
	w.file = file
}

// start opens the journal and lets a runner serve until stop.
func (w *world) start() *runner.Runner {
	w.t.Helper()
	r := w.prepare()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx) }()
	w.end = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Serve: %v", err)
		}
		must(w.t, w.journal.Close())
	}
	return r
}

func (w *world) prepare() *runner.Runner {
	w.t.Helper()
	r, err := w.open()
	must(w.t, err)
	return r
}

// refusesToStart opens the journal and makes a runner, and returns why there is none.
func (w *world) refusesToStart() error {
	_, err := w.open()
	return errors.Join(err, w.journal.Close())
}

func (w *world) open() (*runner.Runner, error) {
	var err error
	w.journal, err = journal.Open(context.Background(), w.path)
	must(w.t, err)
	conn := w.conn
	if conn == nil {
		conn = w.target
	}
	config := runner.Config{
		ID: runnerID, Connectors: []connector.Connector{conn}, Control: w.control,
		TrustFile: func() ([]byte, error) { return w.file, nil }, Owners: []ed25519.PublicKey{w.owner.Public().(ed25519.PublicKey)}, Threshold: 1,
		Author: w.author, Journal: w.journal, Now: func() time.Time { return w.now().Add(time.Duration(w.skew.Load())) }, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(logTo(w.t), nil)),
	}
	if w.change != nil {
		w.change(&config)
	}
	return runner.New(config)
}

// stop ends the runner in an orderly way.
func (w *world) stop() {
	if w.end != nil {
		w.end()
		w.end = nil
	}
}

// snapshot copies what a dead process leaves behind: the journal's file as it is, the target and the control plane.
func (w *world) snapshot(dir string) *world {
	c := *w
	c.target, c.control, c.end, c.conn = w.target.clone(), w.control.clone(), nil, nil
	c.path = filepath.Join(dir, "journal.db")
	c.now, c.skew = time.Now, new(atomic.Int64)
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(w.path + suffix)
		if os.IsNotExist(err) {
			continue
		}
		must(w.t, err)
		must(w.t, os.WriteFile(c.path+suffix, b, 0o600))
	}
	return &c
}

func newID[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](w *world, prefix string) T {
	id, err := ident.Make[T, P](prefix, time.Now(), rand.Reader)
	must(w.t, err)
	return id
}

// propose asks for a plan and returns the answer.
func (w *world) propose(name string, change ...func(*assignment.Planning)) assignment.Answer {
	w.t.Helper()
	source := []byte(playbooks[name])
	pb, digest, err := playbook.Parse(source)
	must(w.t, err)
	prp := writ.Proposal{
		V: 1, ID: newID[writ.ProposalID](w, "prp"), Incident: newID[writ.IncidentID](w, "inc"), By: agent,
		Playbook: writ.PlaybookRef{Name: pb.Name, Version: pb.Version, Digest: digest}, At: writ.Instant(time.Now()),
		Parameters: parameters,
	}
	b, err := canon.Marshal(prp)
	must(w.t, err)
	now := writ.Instant(time.Now())
	p := &assignment.Planning{
		Plan: newID[writ.PlanID](w, "pln"), Proposal: b, ProposalLeaf: writ.DigestOf(b), Playbook: source, Target: targetName,
		Service: service, Environment: "prod", Scope: scope, Policy: writ.DigestOf([]byte("policy")),
		Window: writ.Window{NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour)}, Holder: token.Thumbprint(&w.control.dispatch.PublicKey),
	}
	for _, f := range change {
		f(p)
	}
	return w.ask(assignment.Assignment{Kind: assignment.KindPlan, Plan: p}, 0)
}

// askedBy makes another principal the requester of a proposal.
func (w *world) askedBy(p *assignment.Planning, by writ.Principal) {
	w.t.Helper()
	var prp writ.Proposal
	must(w.t, canon.Parse(p.Proposal, &prp))
	prp.By = by
	b, err := canon.Marshal(prp)
	must(w.t, err)
	p.Proposal, p.ProposalLeaf = b, writ.DigestOf(b)
}

// planned is propose where nothing else than a plan is expected.
func (w *world) planned(name string) writ.Plan {
	w.t.Helper()
	a := w.propose(name)
	if a.Planned == nil {
		w.t.Fatalf("no plan: %+v", a.Refused)
	}
	p, _, err := writ.ParsePlan(a.Planned.Plan)
	must(w.t, err)
	return p
}

// ask hands out an assignment and waits for its answer.
func (w *world) ask(a assignment.Assignment, leaf int64) assignment.Answer {
	w.t.Helper()
	id := w.give(a, leaf)
	return w.await(id)
}

func (w *world) give(a assignment.Assignment, leaf int64) writ.AssignmentID {
	a.V, a.ID, a.Expires = 1, newID[writ.AssignmentID](w, "asg"), time.Now().Add(time.Hour)
	w.control.enqueue(&work{a: a, leaf: leaf})
	return a.ID
}

func (w *world) await(id writ.AssignmentID) assignment.Answer {
	w.t.Helper()
	var out assignment.Answer
	w.until("an answer", func() bool {
		a, ok := w.control.answer(id)
		out = a
		return ok
	})
	return out
}

// until polls in the bubble's time.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logTo drops the runner's log, unless the test is run with -v and WRIT_LOG is set.
func logTo(t testing.TB) *logs {
	return &logs{t: t, loud: testing.Verbose() && os.Getenv("WRIT_LOG") != ""}
}

type logs struct {
	t    testing.TB
	loud bool
}

func (l *logs) Write(b []byte) (int, error) {
	if l.loud {
		fmt.Fprint(os.Stderr, string(b))
	}
	return len(b), nil
}
