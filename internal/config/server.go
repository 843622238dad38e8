package config

import (
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// Server is the configuration of writ serve.
type Server struct {
	Dir               Dir            `yaml:"-"`
	Listen            string         `yaml:"listen"`                 // people and agents
	TLS               *TLSFiles      `yaml:"tls,omitempty"`          // required unless the address is loopback and --dev is given
	ExternalURL       string         `yaml:"external_url"`           // as agents and people reach it
	RunnerListen      string         `yaml:"runner_listen"`          // runners, mutual TLS with pinned keys
	AdminListen       string         `yaml:"admin_listen,omitempty"` // /livez /readyz /metrics; loopback
	Data              string         `yaml:"data,omitempty"`         // directory of state and ledger in SQLite, for one process
	Database          *Database      `yaml:"database,omitempty"`     // instead of data: PostgreSQL, which several servers may share
	Issuer            string         `yaml:"issuer"`                 // iss of grants
	Origin            string         `yaml:"origin"`                 // name of the ledger
	Keys              ServerKeys     `yaml:"keys"`
	Signer            SignerPeer     `yaml:"signer"`
	Policies          string         `yaml:"policies,omitempty"`      // directory; empty means the set that ships with Writ
	PolicyOwners      *PolicyOwners  `yaml:"policy_owners,omitempty"` // who must have signed the set in policies; without, anybody may have written it
	Playbooks         []string       `yaml:"playbooks"`               // directories or files
	Services          string         `yaml:"services"`                // catalog-info.yaml
	Targets           []ServerTarget `yaml:"targets"`
	Protected         []string       `yaml:"protected,omitempty"` // what Writ itself rests on, besides its own namespaces: no agent may change it
	Runners           []RunnerPeer   `yaml:"runners"`
	Calendars         []Calendar     `yaml:"calendars,omitempty"` // when services may be changed
	Upstreams         []Upstream     `yaml:"upstreams,omitempty"` // MCP servers of others, for readings
	Veto              *Veto          `yaml:"veto,omitempty"`      // an external decision point that can only say no
	Agents            []Agent        `yaml:"agents,omitempty"`
	Approvers         []Approver     `yaml:"approvers,omitempty"`
	OnCall            []OnCall       `yaml:"oncall,omitempty"`    // where it is known who is on call for a group
	Fatigue           *Fatigue       `yaml:"fatigue,omitempty"`   // when answering has become too much for one person
	Operators         []string       `yaml:"operators,omitempty"` // teams whose people see and end everybody's sessions
	Issuers           []Issuer       `yaml:"issuers,omitempty"`
	SPIFFE            *SPIFFE        `yaml:"spiffe,omitempty"`             // agents with SPIFFE identities
	Login             *Login         `yaml:"login,omitempty"`              // people's login by browser
	Tokens            *Tokens        `yaml:"tokens,omitempty"`             // with keys.token: rules of the token endpoint
	Approve           *Approve       `yaml:"approve,omitempty"`            // where passkeys approve; empty: nowhere
	DevKeys           []DevKey       `yaml:"dev_keys,omitempty"`           // only under --dev
	PlanLife          Duration       `yaml:"plan_life"`                    // how long a plan waits for people
	EvidenceRetention Duration       `yaml:"evidence_retention,omitempty"` // how long the bytes of readings are kept; default 2160h
	EvidenceLife      Duration       `yaml:"evidence_life"`                // how old cited evidence may be
	ClaimLife         Duration       `yaml:"claim_life,omitempty"`         // how old a plan's conditions may be read at its grant; default 60s, and not longer
	Notify            *Notify        `yaml:"notify,omitempty"`             // who is told of what, and how
	Limits            *Limits        `yaml:"limits,omitempty"`             // how much at once and how often; what is left out has a default
	BreakGlass        *BreakGlass    `yaml:"breakglass,omitempty"`         // what an ask for it needs
	Autonomy          *Autonomy      `yaml:"autonomy,omitempty"`           // how records of playbooks are judged
	Intake            *Intake        `yaml:"intake,omitempty"`             // sources of events that prove themselves by signature, token or certificate
	Dev               *DevProcesses  `yaml:"dev,omitempty"`                // only under --dev
	Kubeconfig        string         `yaml:"kubeconfig,omitempty"`         // always refused: a control plane holds no target credential
}

// PolicyOwners are the people whose signatures a policy set needs.
type PolicyOwners struct {
	Keys      []string `yaml:"keys"`      // PEM files of Ed25519 public keys
	Threshold int      `yaml:"threshold"` // how many of them, from 1 on
	Approvers string   `yaml:"approvers"` // group of the roster, two of whose people approve every change
}

// Limits bound how much of one service goes on at once, and how often one object is changed. 0 means the default.
type Limits struct {
	OpenIncidents     int      `yaml:"open_incidents,omitempty"` // of one service
	OpenPlans         int      `yaml:"open_plans,omitempty"`     // of one service, asked for by agents and not decided yet
	OpenPlansPerAgent int      `yaml:"open_plans_per_agent,omitempty"`
	Attempts          int      `yaml:"attempts,omitempty"`            // of a playbook on one object, when it does not say so itself
	AttemptsPerObject int      `yaml:"attempts_per_object,omitempty"` // of any playbook
	Window            Duration `yaml:"window,omitempty"`              // in which attempts are counted, at most 24h
}

// BreakGlass says what an ask for break-glass needs.
type BreakGlass struct {
	AskProof string `yaml:"ask_proof,omitempty"` // A, B or C; B by default. C, an SSH key in hardware with touch and PIN, is below the default and shown as such
	PerDay   int    `yaml:"per_day,omitempty"`   // asks of one team within 24 hours, 1 to 100; 3 by default
}

// Autonomy says how the records of playbooks are judged. 0 means the default.
type Autonomy struct {
	VerifiedRuns int    `yaml:"verified_runs,omitempty"` // in a row after which Writ proposes a move, 3 to 1000; 10 by default
	Begin        int    `yaml:"begin,omitempty"`         // tiers above its own at which a playbook begins on a service: 0, or 1 where it must earn even its own
	DropTo       string `yaml:"drop_to,omitempty"`       // beyond which failures alone put no playbook: T2, T3 or T4, the default
}

// Database names the files, of mode 0600, or the variables of the environment (env:NAME) that hold the URLs of two PostgreSQL databases, such as
// postgres://writ:password@db.example/writ?sslmode=verify-full.
type Database struct {
	URLFile      string `yaml:"url_file"`       // state and ledger
	BlobsURLFile string `yaml:"blobs_url_file"` // off-ledger content and salts: another database, with other backups
}

// TLSFiles name a certificate and its key, in PEM.
type TLSFiles struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// ServerKeys are the control plane's own private keys, in PEM files.
type ServerKeys struct {
	Control  string `yaml:"control"`         // Ed25519: entries, feeds, and the runners' door
	Grant    string `yaml:"grant"`           // P-256
	Dispatch string `yaml:"dispatch"`        // P-256: presents grants
	Token    string `yaml:"token,omitempty"` // P-256: control-plane tokens; without it there is no token endpoint
}

// SignerPeer is where checkpoints are signed.
type SignerPeer struct {
	URL  string `yaml:"url"`
	Key  string `yaml:"key"`  // fingerprint of the signer's TLS key
	VKey string `yaml:"vkey"` // of the ledger

	Succession string `yaml:"succession,omitempty"` // file that says which key follows vkey, or came before it
	Auditors   string `yaml:"auditors,omitempty"`   // with succession: the auditors' trust file, whose roots have signed it
}

// ServerTarget is one target and the runner that serves it.
type ServerTarget struct {
	Location  string `yaml:"location"`
	Runner    string `yaml:"runner"`
	Catalogue string `yaml:"catalogue"` // file made by: writ runner catalogue
}

// RunnerPeer is one runner's identity.
type RunnerPeer struct {
	ID     string `yaml:"id"`
	Public string `yaml:"public,omitempty"` // PEM file of its Ed25519 public key; without one it enrols: writ runner invite
}

// Agent is one registration.
type Agent struct {
	Name      string   `yaml:"name"`
	Iss       string   `yaml:"iss"`
	Sub       string   `yaml:"sub"`
	Team      string   `yaml:"team"`
	Owner     Person   `yaml:"owner"`
	Roles     []string `yaml:"roles"`
	Classes   []string `yaml:"classes,omitempty"` // of playbooks that it may ask for; without any, policy alone decides
	Suspended bool     `yaml:"suspended,omitempty"`
}

// Person is a human identity.
type Person struct {
	Iss string `yaml:"iss"`
	Sub string `yaml:"sub"`
}

// Approver is one member of the roster.
type Approver struct {
	Iss     string            `yaml:"iss"`
	Sub     string            `yaml:"sub"`
	Groups  []string          `yaml:"groups"`
	KnownAs []string          `yaml:"known_as,omitempty"` // names in on-call sources: mail addresses, user ids, or the words of a calendar's events
	Contact map[string]string `yaml:"contact,omitempty"`  // mail address by channel of notify
	Keys    []string          `yaml:"keys,omitempty"`     // authorized_keys lines; may be left out where approve is set and the person enrols a passkey
}

// Issuer is an OIDC issuer whose tokens are accepted.
type Issuer struct {
	URL        string   `yaml:"url"`
	Audience   string   `yaml:"audience"`
	Kind       string   `yaml:"kind"` // agent, human or service
	Algorithms []string `yaml:"algorithms"`
	CA         string   `yaml:"ca,omitempty"` // PEM file

	KeysFile    string       `yaml:"keys_file,omitempty"`    // its key set in a file: nothing is fetched
	Form        string       `yaml:"form,omitempty"`         // oidc, which is also the default, kubernetes or github-actions
	Workloads   []Workload   `yaml:"workloads,omitempty"`    // whose tokens are taken
	Replay      string       `yaml:"replay,omitempty"`       // bearer, once or proof; by default what the form demands
	TokenReview *TokenReview `yaml:"token_review,omitempty"` // with the form kubernetes
	Groups      *Groups      `yaml:"groups,omitempty"`       // of kind human: people's teams come from this claim, too
}

// Groups turn a claim of people's tokens into teams.
type Groups struct {
	Claim string            `yaml:"claim"`
	Teams map[string]string `yaml:"teams"` // group at the issuer: team
}

// Workload is one workload of an issuer: the token whose claims are exactly these.
type Workload struct {
	Sub   string            `yaml:"sub"` // as agents[].sub names it
	Match map[string]string `yaml:"match"`
}

// TokenReview is the API server that is asked about every token. The account may create tokenreviews and nothing else.
type TokenReview struct {
	URL       string `yaml:"url"`
	CA        string `yaml:"ca,omitempty"` // PEM file
	TokenFile string `yaml:"token_file"`
}

// SPIFFE says which SPIFFE identities are agents and where their trust domains' bundles come from.
type SPIFFE struct {
	WorkloadAPI  string    `yaml:"workload_api,omitempty"`  // unix:///path or tcp://ip:port
	SVID         *TLSFiles `yaml:"svid,omitempty"`          // with bundles: Writ's own X.509-SVID
	Bundles      []Bundle  `yaml:"bundles,omitempty"`       // instead of workload_api
	Agents       []string  `yaml:"agents"`                  // SPIFFE IDs, each with those below it
	Runners      bool      `yaml:"runners,omitempty"`       // the runners' door takes X.509-SVIDs whose SPIFFE ID is that of one of runners
	Listen       string    `yaml:"listen,omitempty"`        // X.509-SVIDs over mutual TLS; empty: none
	Audience     string    `yaml:"audience,omitempty"`      // of JWT-SVIDs; empty: none
	SharedTokens bool      `yaml:"shared_tokens,omitempty"` // one JWT-SVID may come with several keys
}

// Login is the client as which people log in at an issuer; its redirect URL is external_url with /login/callback.
type Login struct {
	Issuer     string   `yaml:"issuer"`                // one of issuers, of kind human, whose audience is the client
	Client     string   `yaml:"client"`                // client_id
	Scopes     []string `yaml:"scopes,omitempty"`      // beside openid and profile
	SecretFile string   `yaml:"secret_file,omitempty"` // of mode 0600, or env:NAME; empty for a public client
}

// Approve is where people approve with passkeys: an origin that is used for nothing else.
type Approve struct {
	Origin string  `yaml:"origin"`           // https://approve.writ.corp.example
	RP     string  `yaml:"rp_id,omitempty"`  // the host of origin, which is also the default
	Models []Model `yaml:"models,omitempty"` // of authenticators whose passkeys prove level A
}

// Model is one model of authenticators and who attests it.
type Model struct {
	AAGUID string `yaml:"aaguid"`
	Roots  string `yaml:"roots"` // PEM file of its maker's root certificates
}

// Bundle is a file with the bundle of one trust domain.
type Bundle struct {
	TrustDomain string `yaml:"trust_domain"`
	File        string `yaml:"file"`
}

// DevKey is a generated key that stands for an identity under --dev.
type DevKey struct {
	Sub  string `yaml:"sub"`
	Kind string `yaml:"kind"`
	Hash string `yaml:"sha256"` // digest of the token
}

// DevProcesses are the configurations of the processes that --dev starts beside the server.
type DevProcesses struct {
	Runner string `yaml:"runner"`
	Signer string `yaml:"signer"`
}

// maxLimit is above any limit that still means something.
const maxLimit = 1 << 30

// LoadServer reads and checks the configuration of writ serve. Under dev it may hold development keys and name the
// processes to start beside the server.
func LoadServer(file string, dev bool) (Server, error) {
	var s Server
	if err := load(file, &s); err != nil {
		return s, err
	}
	s.Dir = Dir(filepath.Dir(file))
	c := checks{file: file}
	c.want(s.Kubeconfig == "", "a control plane holds no target credential: move kubeconfig to the runner's configuration")
	c.want(dev || len(s.DevKeys) == 0, "dev_keys are for --dev only: use an OIDC issuer")
	c.want(dev || s.Dev == nil, "dev is for --dev only")
	c.address("listen", s.Listen)
	c.address("runner_listen", s.RunnerListen)
	if s.AdminListen != "" {
		c.address("admin_listen", s.AdminListen)
		c.want(Loopback(s.AdminListen), "admin_listen must be a loopback address")
	}
	c.url("external_url", s.ExternalURL, dev)
	c.want(s.TLS != nil || dev && Loopback(s.Listen), "tls is required: name cert and key (plain HTTP is for --dev on a loopback address)")
	c.want(s.Data != "" || s.Database != nil, "data must name a directory, or database the files with the URLs of two PostgreSQL databases")
	c.want(s.Data == "" || s.Database == nil, "give data (SQLite, one server) or database (PostgreSQL, several), not both")
	if d := s.Database; d != nil {
		c.want(d.URLFile != "" && d.BlobsURLFile != "", "database must name url_file and blobs_url_file: files of mode 0600 with a URL each")
		for key, v := range map[string]string{"url_file": d.URLFile, "blobs_url_file": d.BlobsURLFile} {
			c.want(!strings.Contains(v, "://"), "database.%s must name a file that holds the URL, not be one: a password does not belong here", key)
			c.secret("database."+key, v)
		}
	}
	c.want(s.Issuer != "", "issuer must be the iss of grants, such as https://writ.example")
	c.want(s.Origin != "", "origin must name the ledger, such as writ.example/ledger")
	c.want(s.Keys.Control != "" && s.Keys.Grant != "" && s.Keys.Dispatch != "", "keys must name control, grant and dispatch")
	c.url("signer.url", s.Signer.URL, false)
	c.want(s.Signer.Key != "" && s.Signer.VKey != "", "signer must have key and vkey")
	c.want((s.Signer.Succession == "") == (s.Signer.Auditors == ""), "signer.succession, a file that writ keys rotate made, goes with signer.auditors, the trust file whose roots have signed it")
	if o := s.PolicyOwners; o != nil {
		c.want(s.Policies != "", "policy_owners need policies: a directory with a signed set (the set that ships with Writ is part of the program)")
		c.want(o.Threshold >= 1 && o.Threshold <= len(o.Keys), "policy_owners.threshold must be 1 to the number of keys")
		c.want(slices.ContainsFunc(s.Approvers, func(a Approver) bool { return slices.Contains(a.Groups, o.Approvers) }), "policy_owners.approvers must be a group of approvers: two of its people approve each change of the policy set")
	}
	c.want(len(s.Playbooks) > 0, "playbooks must name at least one directory or file")
	c.want(s.Services != "", "services must name a catalog-info.yaml")
	c.want(s.PlanLife > 0, "plan_life must say how long a plan waits, such as 15m")
	c.evidence(s)
	if l := s.Limits; l != nil {
		for _, x := range []struct {
			name string
			n    int
		}{
			{"open_incidents", l.OpenIncidents}, {"open_plans", l.OpenPlans}, {"open_plans_per_agent", l.OpenPlansPerAgent},
			{"attempts", l.Attempts}, {"attempts_per_object", l.AttemptsPerObject},
		} {
			c.want(x.n >= 0 && x.n <= maxLimit, "limits.%s must be 1 to %d, or 0 for the default", x.name, maxLimit)
		}
		c.want(l.Window >= 0 && time.Duration(l.Window) <= 24*time.Hour, "limits.window must be at most 24h, such as 1h")
	}
	if b := s.BreakGlass; b != nil {
		c.want(slices.Contains([]string{"", "A", "B", "C"}, b.AskProof), "breakglass.ask_proof must be A, B or C: no weaker proof asks for break-glass")
		c.want(b.PerDay >= 0 && b.PerDay <= 100, "breakglass.per_day must be 1 to 100, or 0 for the default")
	}
	if a := s.Autonomy; a != nil {
		c.want(a.VerifiedRuns == 0 || a.VerifiedRuns >= 3 && a.VerifiedRuns <= 1000, "autonomy.verified_runs must be 3 to 1000, or 0 for the default")
		c.want(a.Begin == 0 || a.Begin == 1, "autonomy.begin must be 0 or 1")
		c.want(a.DropTo == "" || a.DropTo == "T2" || a.DropTo == "T3" || a.DropTo == "T4", "autonomy.drop_to must be T2, T3 or T4, or absent for T4")
	}
	c.protected(s.Protected)
	c.veto(s.Veto, dev)
	c.upstreams(s)
	for i, t := range s.Targets {
		l, err := writ.ParseLocation(t.Location)
		c.want(err == nil && len(l.Segments()) == 0, "targets[%d].location must be <plane>://<target>", i)
		c.want(slices.ContainsFunc(s.Runners, func(r RunnerPeer) bool { return r.ID == t.Runner }), "targets[%d].runner %q is not among runners", i, writ.Printable(t.Runner, 80))
	}
	for i, r := range s.Runners {
		_, err := writ.ParseRunnerID(r.ID)
		c.fail("runners["+strconv.Itoa(i)+"].id", err)
	}
	for i, is := range s.Issuers {
		c.url("issuers["+strconv.Itoa(i)+"].url", is.URL, dev)
		c.want(slices.Contains([]string{"agent", "human", "service"}, is.Kind), "issuers[%d].kind must be agent, human or service", i)
		c.want(slices.Contains([]string{"", "oidc", "kubernetes", "github-actions"}, is.Form), "issuers[%d].form must be oidc, kubernetes or github-actions", i)
		c.want(slices.Contains([]string{"", "bearer", "once", "proof"}, is.Replay), "issuers[%d].replay must be bearer, once or proof", i)
	}
	for i, team := range s.Operators {
		c.want(writ.IsName(team), "operators[%d] must be the name of a team, such as platform", i)
	}
	if l := s.Login; l != nil {
		for i, scope := range l.Scopes {
			c.want(isScope(scope), "login.scopes[%d] must be a scope of the issuer, such as groups", i)
		}
		c.secret("login.secret_file", l.SecretFile)
		c.want(slices.ContainsFunc(s.Issuers, func(i Issuer) bool { return i.URL == l.Issuer && i.Kind == "human" && i.Audience == l.Client }),
			"login.issuer must be the url of one of issuers, of kind human, whose audience is login.client")
	}
	if a := s.Approve; a != nil {
		c.want(a.Origin != "" && hostOf(a.Origin) != hostOf(s.ExternalURL), "approve.origin must be an origin of its own, such as https://approve.writ.corp.example: another host than external_url's")
		for i, m := range a.Models {
			c.want(m.AAGUID != "" && m.Roots != "", "approve.models[%d] needs aaguid, and roots: a PEM file of its maker's certificates", i)
		}
	}
	if p := s.SPIFFE; p != nil {
		c.want(p.Listen != "" || p.Audience != "", "spiffe needs listen, for X.509-SVIDs, or audience, for JWT-SVIDs, or both")
		if p.Listen != "" {
			c.address("spiffe.listen", p.Listen)
		}
		c.want(len(p.Agents) > 0, "spiffe.agents must name SPIFFE IDs, such as spiffe://corp.example/agents")
		c.want((p.WorkloadAPI == "") != (len(p.Bundles) == 0), "spiffe must have workload_api, such as unix:///run/spire/agent/public/api.sock, or bundles, not both")
	}
	c.notices(s)
	c.tokens(s)
	c.onCall(s)
	c.intake(s)
	for i, k := range s.DevKeys {
		c.want(slices.Contains([]string{"agent", "human", "service"}, k.Kind), "dev_keys[%d].kind must be agent, human or service", i)
		c.want(strings.HasPrefix(k.Hash, "sha256:") && k.Sub != "", "dev_keys[%d] needs sub and sha256", i)
	}
	return s, c.err
}

func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Path resolves a path of the configuration.
func (s Server) Path(p string) string { return s.Dir.Path(p) }

// Roster returns the approvers in the form that counts them.
func (s Server) Roster() approval.Roster {
	var out approval.Roster
	for _, a := range s.Approvers {
		out = append(out, approval.Member{Iss: a.Iss, Sub: a.Sub, Groups: a.Groups, Keys: a.Keys})
	}
	return out
}

// isScope reports whether s is a scope-token (RFC 6749 section 3.3).
func isScope(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// evidence checks how old readings may be, and how long they are kept.
func (c *checks) evidence(s Server) {
	c.want(s.EvidenceRetention == 0 || s.EvidenceRetention >= s.EvidenceLife, "evidence_retention must not be shorter than evidence_life")
	c.want(s.EvidenceLife > 0, "evidence_life must say how old evidence may be, such as 10m")
	life := time.Duration(s.ClaimLife)
	c.want(life == 0 || life >= writ.MinClaimLife && life <= writ.MaxClaimLife, "claim_life must be from %s to %s, the default", writ.MinClaimLife, writ.MaxClaimLife)
}
