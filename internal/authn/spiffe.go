package authn

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/writ-dev/writ"
)

// A SPIFFE says which SPIFFE identities are agents, and where their trust domains' bundles come from: the Workload API,
// or files. An agent's principal is (spiffe://<trust domain>, the whole SPIFFE ID).
type SPIFFE struct {
	WorkloadAPI string       // unix:///path or tcp://ip:port of the Workload API; empty: files
	Cert, Key   string       // instead: PEM files of Writ's own X.509-SVID; may be empty without an agents' listener
	Bundles     []BundleFile // instead: one for each trust domain

	Agents   []string // SPIFFE IDs; each also stands for those below it, by whole path segments
	Audience string   // the one audience of JWT-SVIDs; empty: they are not taken

	// SharedTokens lets one JWT-SVID come with proofs by several keys, where the processes of one workload get the
	// same token from their node's cache. A stolen JWT-SVID can then be used until it expires.
	SharedTokens bool
}

// A BundleFile holds the bundle of one trust domain in the SPIFFE bundle format (SPIFFE Trust Domain and Bundle, 4).
type BundleFile struct{ TrustDomain, File string }

// trust is where SVIDs and bundles come from. What it answers is always the newest it knows.
type trust interface {
	x509svid.Source
	x509bundle.Source
	jwtbundle.Source
	follow(ctx context.Context)
}

type spiffe struct {
	trust    trust
	agents   []prefix
	audience string
	shared   bool
	now      func() time.Time
}

func newSPIFFE(s SPIFFE, c Config) (*spiffe, error) {
	bad := func(what string) (*spiffe, error) { return nil, fmt.Errorf("%w: SPIFFE: %s", writ.ErrInvalid, what) }
	out := &spiffe{audience: s.Audience, shared: s.SharedTokens, now: c.Now}
	if len(s.Agents) == 0 {
		return bad("agents must name at least one SPIFFE ID, such as spiffe://corp.example/agents")
	}
	for _, text := range s.Agents {
		p, err := parsePrefix(text)
		if err != nil {
			return bad("agents: " + err.Error())
		}
		out.agents = append(out.agents, p)
	}
	if s.Audience != "" && (c.Memory == nil || c.ExternalURL == "") {
		return bad("JWT-SVIDs come with proofs, which need a memory and the external URL")
	}
	var err error
	switch files := len(s.Bundles) > 0; {
	case (s.WorkloadAPI == "") != files:
		return bad("give either the address of the Workload API, or bundles in files")
	case files:
		out.trust, err = newFiles(s, c.Now)
	case s.Cert != "" || s.Key != "":
		return bad("the Workload API gives the SVID: leave certificate and key out")
	default:
		out.trust, err = newWorkloadAPI(s.WorkloadAPI, s.Audience != "", cmp.Or(c.Log, slog.New(slog.DiscardHandler)))
	}
	return out, err
}

func (s *spiffe) watch(ctx context.Context) { s.trust.follow(ctx) }

// A prefix is a SPIFFE ID that stands for itself and for those below it.
type prefix struct {
	domain spiffeid.TrustDomain
	path   string // never empty: a whole trust domain is more than agents
}

func parsePrefix(text string) (prefix, error) {
	id, err := spiffeid.FromString(text)
	if err != nil || id.Path() == "" {
		return prefix{}, fmt.Errorf("%q is no SPIFFE ID with a path, such as spiffe://corp.example/agents", writ.Printable(text, 200))
	}
	return prefix{id.TrustDomain(), id.Path()}, nil
}

// covers compares the trust domain whole, and the path by whole segments: /agents/x does not cover /agents/xy.
func (p prefix) covers(id spiffeid.ID) bool {
	return id.TrustDomain() == p.domain && (id.Path() == p.path || strings.HasPrefix(id.Path(), p.path+"/"))
}

// agent returns the principal of a SPIFFE ID that a current bundle vouched for.
func (s *spiffe) agent(id spiffeid.ID) (writ.Principal, error) {
	for _, p := range s.agents {
		if p.covers(id) {
			return writ.Principal{Kind: writ.KindAgent, Iss: id.TrustDomain().IDString(), Sub: id.String()}, nil
		}
	}
	return writ.Principal{}, from(id.TrustDomain().IDString(), refuse(CodeSPIFFEID))
}

// isSVID reports whether a token of no configured issuer is a JWT-SVID: its subject is a SPIFFE ID (JWT-SVID, 3.1).
func isSVID(t jwt) bool {
	var sub string
	return read(t.claims, "sub", &sub) && strings.HasPrefix(sub, "spiffe://")
}

// maxSVIDLife bounds JWT-SVIDs: SPIRE gives them five minutes, and workloads may be given ones from a cache.
const maxSVIDLife = time.Hour

// jwtSVID checks a JWT-SVID against the current bundle of its trust domain. go-spiffe checks signature, algorithm and
// typ; what it leaves open is checked here: one audience alone, no leeway after exp, and iat.
func (s *spiffe) jwtSVID(t jwt) (writ.Principal, time.Time, error) {
	exp, err := t.current(s.now(), maxSVIDLife)
	if err != nil {
		return writ.Principal{}, exp, err
	}
	if !t.isFor(s.audience) {
		return writ.Principal{}, exp, refuse(CodeAudience)
	}
	var sub string
	read(t.claims, "sub", &sub)
	id, err := spiffeid.FromString(sub)
	if err != nil {
		return writ.Principal{}, exp, refuse(CodeSubject)
	}
	if _, err := s.trust.GetJWTBundleForTrustDomain(id.TrustDomain()); err != nil {
		return writ.Principal{}, exp, refuseBecause(CodeBundle, err)
	}
	svid, err := jwtsvid.ParseAndValidate(t.raw, s.trust, []string{s.audience})
	if err != nil {
		return writ.Principal{}, exp, refuse(CodeSignature)
	}
	p, err := s.agent(svid.ID)
	return p, exp, err
}
