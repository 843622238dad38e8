package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/pin"
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

// publish has one person propose a set, and the two others approve it, each at another server, with something done in between.
// What is done may leave the second server away for a while.
func (g *governed) publish(dir string, between func()) writ.PolicyChangeStatus {
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
	g.does(0, append(sk(ana), g.at(1, ana))...)
	if between != nil {
		between()
	}
	must(t, json.Unmarshal([]byte(g.does(0, append(sk(rob), g.at(0, rob))...).out), &s))
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
	s, err := approval.New(plan, digest, approval.Ask{Answer: writ.Approve, Person: writ.Person{Iss: plan.Requester.Iss, Sub: you}, Slot: "owner", Tier: p.Tier(), Now: time.Now(), Life: 10 * time.Minute, Nonce: nonce})
	must(t, err)
	statement, err = s.Bytes()
	must(t, err)
	signature, err = approval.Sign(statement, g.ring.keys[you], rand.Reader)
	must(t, err)
	return p, statement, signature
}
