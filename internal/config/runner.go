package config

import (
	"path/filepath"
	"strconv"

	"github.com/writ-dev/writ"
)

// Runner is the configuration of writ runner.
type Runner struct {
	Dir     Dir            `yaml:"-"`
	ID      string         `yaml:"id"`
	Control ControlPeer    `yaml:"control"`
	Key     string         `yaml:"key"` // Ed25519: TLS identity and entries
	Trust   TrustFile      `yaml:"trust"`
	Journal string         `yaml:"journal"`
	Targets []RunnerTarget `yaml:"targets"`

	// What Writ itself rests on at these targets, besides its own namespaces: no agent may change it.
	Protected []string `yaml:"protected,omitempty"`

	// How long this runner goes forward without hearing from the control plane.
	CutOff *CutOff `yaml:"cut_off,omitempty"`

	// Where this runner's X.509-SVID comes from, to connect with in place of its own key; instead of control.svid.
	SPIFFE *RunnerSPIFFE `yaml:"spiffe,omitempty"`

	// Break-glass while the control plane is down; absent: there is none on this host.
	BreakGlass *RunnerBreakGlass `yaml:"breakglass,omitempty"`

	// Always refused, with a sentence: a runner holds no database key and no grant-signing key.
	Database string `yaml:"database,omitempty"`
	GrantKey string `yaml:"grant_key,omitempty"`
}

// ControlPeer is the control plane's door for runners.
type ControlPeer struct {
	URL  string   `yaml:"url"`
	URLs []string `yaml:"urls,omitempty"` // further replicas, which share the control plane's key
	Key  string   `yaml:"key"`            // fingerprint of the control plane's key

	NextKey string `yaml:"next_key,omitempty"` // fingerprint of the key that takes its place while it is being replaced

	// SVID names the files of an X.509-SVID to connect with, in place of the runner's own key; something else renews them.
	SVID *TLSFiles `yaml:"svid,omitempty"`
}

// RunnerSPIFFE is the SPIFFE Workload API of the runner's host.
type RunnerSPIFFE struct {
	WorkloadAPI string `yaml:"workload_api"` // unix:///path or tcp://ip:port
}

// TrustFile is the runner's one signed file, and whose signatures it takes.
type TrustFile struct {
	File      string   `yaml:"file"`
	Owners    []string `yaml:"owners"` // PEM files of Ed25519 public keys
	Threshold int      `yaml:"threshold"`
}

// RunnerTarget is one target with the credential that mints leases on it.
type RunnerTarget struct {
	Location       string `yaml:"location"`
	Kubeconfig     string `yaml:"kubeconfig,omitempty"`      // kubernetes targets
	ReadKubeconfig string `yaml:"read_kubeconfig,omitempty"` // a credential that can only read, for evidence and plans; default kubeconfig
	Namespace      string `yaml:"lease_namespace,omitempty"`
	Connector      string `yaml:"connector,omitempty"` // httpapi, prometheus and postgres targets: the connector's own file
}

// RunnerBreakGlass is what a runner needs to make and run emergency plans when nobody can send it any.
type RunnerBreakGlass struct {
	Socket    string   `yaml:"socket"`    // Unix socket of the console, for the runner's own account
	Playbooks []string `yaml:"playbooks"` // directories or files; the trust file pins their content
}

// CutOff says how long a runner goes forward on what it last heard. Each member is from 2s to its default, which is used
// where none is given: an owner can only make them shorter.
type CutOff struct {
	FeedAge   Duration `yaml:"feed_age,omitempty"`    // of the newest word about freezes before a step of T2 and above; default 30s
	FeedAgeT1 Duration `yaml:"feed_age_t1,omitempty"` // the same for T1; default 5m
	Wait      Duration `yaml:"wait,omitempty"`        // for the ledger to take a step's intent, before the run is put back; default 1m
}

// LoadRunner reads and checks the configuration of writ runner.
func LoadRunner(file string) (Runner, error) {
	var r Runner
	if err := load(file, &r); err != nil {
		return r, err
	}
	r.Dir = Dir(filepath.Dir(file))
	c := checks{file: file}
	c.want(r.Database == "", "a runner has no database: remove database")
	c.want(r.GrantKey == "", "a runner signs no grants: remove grant_key")
	_, err := writ.ParseRunnerID(r.ID)
	c.fail("id", err)
	c.url("control.url", r.Control.URL, false)
	for i, u := range r.Control.URLs {
		c.url("control.urls["+strconv.Itoa(i)+"]", u, false)
	}
	c.want(r.Control.Key != "", "control.key must be the fingerprint of the control plane's key")
	c.want(r.Control.SVID == nil || r.Control.SVID.Cert != "" && r.Control.SVID.Key != "", "control.svid must name cert and key: files of an X.509-SVID")
	c.want(r.SPIFFE == nil || r.SPIFFE.WorkloadAPI != "", "spiffe must have workload_api, such as unix:///run/spire/agent/public/api.sock")
	c.want(r.SPIFFE == nil || r.Control.SVID == nil, "give spiffe, which asks the Workload API for the X.509-SVID, or control.svid, its files; not both")
	c.want(r.Key != "", "key must name the runner's private key")
	c.want(r.Journal != "", "journal must name a file")
	if b := r.BreakGlass; b != nil {
		c.want(b.Socket != "" && len(b.Playbooks) > 0, "breakglass needs socket, a path, and playbooks, directories or files")
	}
	c.want(r.Trust.File != "", "trust.file must name the signed trust file")
	c.want(r.Trust.Threshold >= 1 && r.Trust.Threshold <= len(r.Trust.Owners), "trust.threshold must be from 1 to the number of trust.owners")
	c.want(len(r.Targets) > 0, "targets must name at least one target")
	c.protected(r.Protected)
	for i, t := range r.Targets {
		l, err := writ.ParseLocation(t.Location)
		key := "targets[" + strconv.Itoa(i) + "]"
		c.want(err == nil && len(l.Segments()) == 0, "%s.location must be <plane>://<target>", key)
		switch l.Plane() {
		case "kubernetes":
			c.want(t.Kubeconfig != "" && t.Connector == "", "%s needs kubeconfig", key)
		case "httpapi", "prometheus", "postgres":
			c.want(t.Connector != "" && t.Kubeconfig == "", "%s needs connector", key)
		default:
			c.want(false, "%s: plane %q is unknown; planes are kubernetes, httpapi, prometheus and postgres", key, writ.Printable(l.Plane(), 40))
		}
	}
	return r, c.err
}

// Path resolves a path of the configuration.
func (r Runner) Path(p string) string { return r.Dir.Path(p) }
