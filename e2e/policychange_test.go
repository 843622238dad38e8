package e2e_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// A governed is a fleet whose policy set two owners sign and two people approve, with security keys.
type governed struct {
	*fleet
	ring  *keyring
	group string
}

// sets are this test's: one owner's word for a repair at both shops; then two for the first, and none at all at the second.
var (
	firstSet  = []string{"raises: []", "raises: [{service: checkout-east, environment: prod, at_least: T2}, {service: checkout-west, environment: prod, at_least: T2}]"}
	strictSet = []string{"raises: []", "raises: [{service: checkout-east, environment: prod, at_least: T3}, {service: checkout-west, environment: prod, at_least: T2}]"}
	closing   = map[string]string{
		"limits/west.cedar": "@id(\"limits/west\")\n@reason(\"Nothing is changed in the west.\")\nforbid (principal, action in Action::\"mutate\", resource == Service::\"checkout-west\")\nwhen { !context.tainted };\n",
		"tests/west.yaml":   "base: middle\ncases:\n  - name: the west is closed\n    set: {service: checkout-west, approvalsOwner: 1, proof: 2}\n    want: {effect: deny, reason: limit, policies: [limits/west]}\n  - name: it is open for what others wrote of\n    set: {service: checkout-west, tainted: true, approvalsOwner: 1, proof: 2}\n    want: {effect: allow, policies: [grants/approved-repair]}\n",
	}
)

// newGoverned is a fleet of two replicas with version 1 in force.
func newGoverned(t *testing.T) *governed {
	t.Helper()
	f := newFleet(t, 2)
	g := &governed{fleet: f, ring: newKeyring(t, you, ana, rob)}
	var owners []string
	for _, name := range []string{"ada", "eve"} {
		key, err := pin.Create(filepath.Join(f.in.Dir, "keys", name+".pem"), rand.Reader)
		must(t, err)
		public, err := pin.MarshalPublic(key.Public().(ed25519.PublicKey))
		must(t, err)
		write(t, filepath.Join(f.in.Dir, "keys", name+".pub"), public)
		owners = append(owners, "keys/"+name+".pub")
	}
	g.signed("policies", 1, firstSet, nil)
	for i, r := range f.servers {
		install.EditServer(t, r.file, r.file, func(c *config.Server) {
			g.group = c.Approvers[0].Groups[0]
			c.Policies, c.PolicyOwners = "policies", &config.PolicyOwners{Keys: owners, Threshold: 2, Approvers: g.group}
			for j := range c.Approvers {
				c.Approvers[j].Keys = append(c.Approvers[j].Keys, g.ring.lines[c.Approvers[j].Sub])
			}
		})
		f.servers[i].kill()
	}
	g.signIn()
	for i := range f.servers {
		f.startServer(i)
	}
	for i := range f.servers {
		f.ready(i)
	}
	for i, name := range shopNames {
		f.runners[i].kill()
		f.runners[i] = f.bed.launch(t, f.dir, "runner-"+name, "runner", "-c", filepath.Join(f.in.Dir, "runner-"+name+".yaml"))
	}
	return g
}

// signIn tells runners and auditors of the people's security keys, and auditors who approves changes of the set.
func (g *governed) signIn() {
	t := g.t
	t.Helper()
	owner, err := pin.Load(filepath.Join(g.in.Dir, "keys", "owner.pem"))
	must(t, err)
	for _, name := range []string{"trust.json", "trust-west.json"} {
		file := filepath.Join(g.in.Dir, name)
		tr, err := trust.Payload(read(t, file))
		must(t, err)
		tr.Version++
		for i := range tr.Approvers {
			tr.Approvers[i].Keys = append(tr.Approvers[i].Keys, g.ring.lines[tr.Approvers[i].Sub])
		}
		b, err := trust.Sign(tr, owner)
		must(t, err)
		write(t, file, b)
	}
	v, err := verify.ParseTrust(read(t, g.in.Verify))
	must(t, err)
	for i := range v.Approvers {
		v.Approvers[i].Keys = append(v.Approvers[i].Keys, g.ring.lines[v.Approvers[i].Sub])
	}
	v.Policy = &verify.PolicyApprovers{Group: g.group, Approvals: 2, Proof: writ.ProofC}
	b, err := json.Marshal(v)
	must(t, err)
	write(t, g.in.Verify, b)
}

// signed writes a set into a directory beside the servers' configurations; both owners sign it with the command line.
func (g *governed) signed(name string, version int64, replace []string, more map[string]string) string {
	g.t.Helper()
	dir := filepath.Join(g.in.Dir, name)
	key, err := pin.Load(filepath.Join(g.in.Dir, "keys", "ada.pem"))
	must(g.t, err)
	// A security key is the best that a command line signs with.
	g.fleetSet(dir, version, key, append([]string{"proof: A", "proof: C", "approvalsOwner: 2, proof: 3", "approvalsOwner: 2, proof: 1"}, replace...)...)
	for file, text := range more {
		write(g.t, filepath.Join(dir, file), []byte(text))
	}
	g.sign(dir, version)
	return dir
}

func (g *governed) sign(dir string, version int64) {
	g.t.Helper()
	keys := filepath.Join(g.in.Dir, "keys")
	g.does(0, "policy", "sign", dir, "--key", filepath.Join(keys, "ada.pem"), "--version", fmt.Sprint(version))
	g.does(0, "policy", "sign", dir, "--key", filepath.Join(keys, "eve.pem"))
}

func (g *governed) does(code int, args ...string) result {
	g.t.Helper()
	r := g.ring.try(g.t, g.bed.writ, g.dir, args...)
	if r.code != code {
		g.t.Fatalf("writ %s ended with %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	return r
}

// at is a person's command line at one of the servers.
func (g *governed) at(server int, person string) string {
	g.t.Helper()
	c, err := config.LoadClient(g.in.Clients[person])
	must(g.t, err)
	c.Server = g.servers[server].url
	b, err := yaml.Marshal(c)
	must(g.t, err)
	file := filepath.Join(g.in.Dir, fmt.Sprintf("%s-%d.yaml", person, server))
	write(g.t, file, b)
	return file
}

// publish has one person propose a set, and the two others approve it, each at another server.
func (g *governed) publish(dir string) writ.PolicyChangeStatus {
	t := g.t
	t.Helper()
	var s writ.PolicyChangeStatus
	must(t, json.Unmarshal([]byte(g.does(0, "policy", "publish", dir, "--because", "as agreed", "-o", "json", "--config", g.at(0, you)).out), &s))
	if s.State != writ.PolicyWaiting {
		t.Fatalf("%s %s", s.State, s.Detail)
	}
	sk := func(who string) []string {
		return []string{"policy", "approve", string(s.ID), "--digest", s.Digest.String(), "--sk", "--key", g.ring.public[who], "-o", "json", "--config"}
	}
	if r := g.does(3, append(sk(you), g.at(1, you))...); !strings.Contains(r.err, string(writ.ReasonApproverConflict)) {
		t.Errorf("its proposer: %s", r.err)
	}
	plain := []string{"policy", "approve", string(s.ID), "--digest", s.Digest.String(), "--config", g.at(1, ana)}
	if r := g.does(3, plain...); !strings.Contains(r.err, string(writ.ReasonApprovalProof)) {
		t.Errorf("a plain key: %s", r.err)
	}
	g.does(0, append(sk(ana), g.at(0, ana))...)
	must(t, json.Unmarshal([]byte(g.does(0, append(sk(rob), g.at(1, rob))...).out), &s))
	if s.State != writ.PolicyInForce {
		t.Fatalf("after two approvals: %s %s", s.State, s.Detail)
	}
	return s
}

// holds makes a person's signed word for a plan as it stands, and sends nothing.
func (g *governed) holds(id writ.PlanID) (p writ.PlanStatus, statement []byte, signature string) {
	t := g.t
	t.Helper()
	p, err := g.people[0].Plan(t.Context(), id)
	must(t, err)
	plan, digest, err := writ.ParsePlan(p.Bytes)
	must(t, err)
	nonce, err := ident.Nonce(rand.Reader)
	must(t, err)
	s, err := approval.New(plan, digest, approval.Ask{Answer: writ.Approve, Person: writ.Person{Iss: plan.Requester.Iss, Sub: you}, Slot: "owner", Now: time.Now(), Life: 10 * time.Minute, Nonce: nonce})
	must(t, err)
	statement, err = s.Bytes()
	must(t, err)
	signature, err = approval.Sign(statement, g.ring.keys[you], rand.Reader)
	must(t, err)
	return p, statement, signature
}

// decided waits until a plan is decided.
func (g *governed) decided(ctx context.Context, server int, p writ.PlanStatus) (writ.PlanStatus, error) {
	for p.State == writ.PlanPlanning {
		select {
		case <-ctx.Done():
			return p, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		var err error
		if p, err = g.people[server].Plan(ctx, p.ID); err != nil {
			return p, err
		}
	}
	return g.people[server].Plan(ctx, p.ID)
}

// asking has the agents ask for repairs of the first shop at one server until stop, each in an incident of its own, and tells
// which set decided each.
func (g *governed) asking(ctx context.Context, server int, stop <-chan struct{}, answered func(writ.PlanStatus)) error {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		hook := install.Webhook(g.t, install.Alert{Name: "Errors", Service: "checkout-east", Severity: "error", Group: fmt.Sprintf("asking-%d-%d", server, n)})
		in, err := g.alerts[server].Alert(ctx, hook)
		if err != nil {
			return err
		}
		e, _, err := g.watchers[server].Observe(ctx, in.ID, "httpapi/service.status", "httpapi://east", writ.Parameters{"service": writ.String("checkout")})
		if err != nil {
			return err
		}
		p, err := g.repairs[server].Propose(ctx, writ.Ask{
			Incident: in.ID, Playbook: "put-back", Evidence: []writ.EvidenceID{e.ID}, Because: "it began with v42",
			Parameters: writ.Parameters{"service": writ.String("checkout"), "to": writ.String("v41")},
		})
		switch {
		case writ.ReasonOf(err) == writ.ReasonStorm: // the other server is being asked for the same just now
		case err != nil:
			return err
		default:
			if p, err = g.decided(ctx, server, p); err != nil {
				return err
			}
			answered(p)
			if _, err := g.repairs[server].Withdraw(ctx, p.ID, "only asking"); err != nil {
				return err
			}
		}
		resolved := install.Webhook(g.t, install.Alert{Name: "Errors", Service: "checkout-east", Severity: "error", Group: fmt.Sprintf("asking-%d-%d", server, n), Resolved: true})
		if _, err := g.alerts[server].Alert(ctx, resolved); err != nil {
			return err
		}
	}
}

// TestPitfall08ASetIsPublishedWhileAgentsAskAtEveryReplica publishes a stricter set through whole processes while agents ask
// at both replicas all the time, and puts the older one back under a new version. Each answer comes from one of the two sets.
// A word that was given to the older set is not used; one given anew to a set that forbids is a denial. The ledger of it
// verifies offline, and one in which a set's entry was changed does not.
func TestPitfall08ASetIsPublishedWhileAgentsAskAtEveryReplica(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	// What waits for one owner in the west; the owner signs, and does not send it yet.
	ask := g.broken(1)
	asked := anyone(g.fleet, "the proposal", func(ctx context.Context, i int) (writ.PlanStatus, error) { return g.repairs[i].Propose(ctx, ask) })
	asked, err := g.decided(t.Context(), 1, asked)
	must(t, err)
	if asked.State != writ.PlanWaiting || asked.Needs.Approvals["owner"] != 1 {
		t.Fatalf("%s %+v %s", asked.State, asked.Needs, asked.Detail)
	}
	asked, statement, signature := g.holds(asked.ID)
	was := asked.Decision.Policy

	must(t, g.shops[0].Deploy("checkout", "v42", "pipeline"))
	var all sync.WaitGroup
	var lock sync.Mutex
	stop := make(chan struct{})
	heard := map[writ.Digest]map[int]int{} // by set: how many owners it asked for
	seen := make([]map[writ.Digest]int, 2)
	for i := range g.servers {
		seen[i] = map[writ.Digest]int{}
		all.Go(func() {
			if err := g.asking(t.Context(), i, stop, func(p writ.PlanStatus) {
				lock.Lock()
				defer lock.Unlock()
				if p.State != writ.PlanWaiting || p.Decision == nil {
					t.Errorf("server %d: %s %s %s", i, p.State, p.Reason, p.Detail)
					return
				}
				if heard[p.Decision.Policy] == nil {
					heard[p.Decision.Policy] = map[int]int{}
				}
				heard[p.Decision.Policy][p.Needs.Approvals["owner"]]++
				seen[i][p.Decision.Policy]++
			}); err != nil {
				t.Errorf("server %d: %v", i, err)
			}
		})
	}
	asksBy := func(set writ.Digest) {
		await(t, "both servers to decide by the set", func() (bool, string) {
			lock.Lock()
			defer lock.Unlock()
			return t.Failed() || seen[0][set] > 0 && seen[1][set] > 0, fmt.Sprint(heard)
		})
	}
	asksBy(was)
	change := g.publish(g.signed("next", 2, strictSet, closing))
	asksBy(change.Change.Next.Policy)
	close(stop)
	all.Wait()
	if len(heard) != 2 || len(heard[was]) != 1 || heard[was][1] == 0 || len(heard[change.Change.Next.Policy]) != 1 || heard[change.Change.Next.Policy][2] == 0 {
		t.Errorf("answers by set and owners asked for: %v", heard)
	}
	if !change.Change.Base.Policy.Equal(was) || change.Change.Simulation.Decisions == 0 || len(change.Change.Signers) != 2 {
		t.Errorf("%+v", change.Change)
	}

	// The word for the older set is not used, at either server; given anew, the set in force denies at issue.
	for i, c := range g.people {
		_, err := c.Approve(t.Context(), asked.ID, asked.Digest, statement, signature, "")
		denies(t, err, writ.ReasonApprovalMismatch)
		if p, err := g.people[1-i].Plan(t.Context(), asked.ID); err != nil || p.State != writ.PlanWaiting || len(p.Approvals) != 0 {
			t.Errorf("%s %+v, %v", p.State, p.Approvals, err)
		}
	}
	g.does(0, "approve", string(asked.ID), "--digest", asked.Digest.String(), "--sk", "--key", g.ring.public[you], "--config", g.at(1, you))
	if p, err := g.people[0].Plan(t.Context(), asked.ID); err != nil || p.State != writ.PlanDenied || p.Run != "" || p.Reason != writ.ReasonLimit {
		t.Errorf("%s %s %s, %v", p.State, p.Reason, p.Detail, err)
	}

	// The older set comes back under a new version, and decides at both.
	back := filepath.Join(g.in.Dir, "back")
	g.does(0, "policy", "fetch", "1", back, "--config", g.at(1, you))
	g.sign(back, 3)
	if s := g.publish(back); s.Change.Restores != 1 || !s.Change.Next.Policy.Equal(was) {
		t.Errorf("restores %d", s.Change.Restores)
	}
	for i, c := range g.people {
		if st, err := c.Status(t.Context()); err != nil || st.PolicyVersion != 3 {
			t.Errorf("server %d has version %d, %v", i, st.PolicyVersion, err)
		}
	}
	g.shops[0].Deploy("checkout", "v41", "pipeline")
	ask, before := g.broken(0), g.shops[0].Changes()
	p := anyone(g.fleet, "the proposal", func(ctx context.Context, i int) (writ.PlanStatus, error) { return g.repairs[i].Propose(ctx, ask) })
	p, err = g.decided(t.Context(), 0, p)
	must(t, err)
	if p.State != writ.PlanWaiting || !p.Decision.Policy.Equal(was) {
		t.Fatalf("%s %s", p.State, p.Detail)
	}
	g.does(0, "approve", string(p.ID), "--digest", p.Digest.String(), "--sk", "--key", g.ring.public[you], "--config", g.at(1, you))
	g.ended(0, p.ID, before)
	g.whole()
	g.altered()
}

// altered demands that a changed entry of a set in force is found offline.
func (g *governed) altered() {
	t := g.t
	t.Helper()
	raw := anyone(g.fleet, "the export", func(ctx context.Context, i int) ([]byte, error) { return g.people[i].Export(ctx, "") })
	tr, err := verify.ParseTrust(read(t, g.in.Verify))
	must(t, err)
	b, err := ledger.ParseBundle(raw)
	must(t, err)
	changed := 0
	for i, e := range b.Entries {
		opened, err := ledger.Open(e.Leaf)
		must(t, err)
		if opened.Record.Kind != writ.EntryPolicy {
			continue
		}
		was := e.Leaf
		b.Entries[i].Leaf = bytes.Clone(was)
		b.Entries[i].Leaf[len(was)/3] ^= 1
		out, err := b.Bytes()
		must(t, err)
		report, err := verify.Bundle(bytes.NewReader(out), tr)
		if err == nil && report.Altered.Verdict != verify.Violated {
			t.Errorf("entry %d of a policy set was changed, and nothing is found", i)
		}
		b.Entries[i].Leaf, changed = was, changed+1
	}
	if changed != 3 {
		t.Errorf("%d sets came into force", changed)
	}
	if _, err := os.Stat(filepath.Join(g.in.Dir, "next", policy.FileSignature)); err != nil {
		t.Error(err)
	}
}
