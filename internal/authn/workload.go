package authn

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// A Form is the shape of an issuer's tokens: which claims tell one workload from another.
type Form string

const (
	FormOIDC       Form = "oidc"           // OpenID Connect; also the empty form
	FormKubernetes Form = "kubernetes"     // projected service-account tokens of one cluster
	FormGitHub     Form = "github-actions" // OpenID Connect tokens of GitHub Actions
)

// A Workload is one workload of an issuer. A token is its own if every named claim has exactly the value given. Claims
// are compared whole: a prefix of sub, or a pattern, would also fit what is created or renamed later.
type Workload struct {
	Sub   string            // becomes the subject of the principal
	Match map[string]string // by name of claim; of Kubernetes: namespace, service_account, uid
}

// A form is what one Form demands.
type form struct {
	needs    []string          // claims that every workload must name
	never    []string          // claims that no workload may name
	paths    map[string]string // of claims inside the claim "kubernetes.io"; nil: claims stand at the top
	replay   Replay            // the weakest that is taken
	workload bool              // workloads must be configured
}

// temporal are claims of each token anew, and those that are checked anyway.
var temporal = []string{"iss", "aud", "exp", "iat", "nbf", "jti"}

var forms = map[Form]form{
	FormOIDC: {never: temporal, replay: ReplayBearer},
	// The uid tells an account from a later one of the same name.
	FormKubernetes: {
		needs: []string{"namespace", "service_account", "uid"}, replay: ReplayProof, workload: true,
		paths: map[string]string{"namespace": "namespace", "service_account": "serviceaccount.name", "uid": "serviceaccount.uid"},
	},
	// Numbers stay with a repository and its owner whatever they are called; sub is made of names, and its form changed.
	FormGitHub: {
		needs: []string{"repository_id", "repository_owner_id", "job_workflow_ref", "environment"},
		never: append([]string{"sub"}, temporal...), replay: ReplayOnce, workload: true,
	},
}

// check returns what is wrong with the workloads of an issuer, or "".
func (f form) check(all []Workload) string {
	if f.workload && len(all) == 0 {
		return "workloads must name at least one workload"
	}
	seen := map[string]bool{}
	for _, w := range all {
		if !plain(w.Sub) || seen[w.Sub] {
			return "each workload needs a sub of its own"
		}
		seen[w.Sub] = true
		if len(w.Match) == 0 {
			return "workload " + w.Sub + " matches no claim"
		}
		for _, need := range f.needs {
			if w.Match[need] == "" {
				return "workload " + w.Sub + " must match " + strings.Join(f.needs, ", ")
			}
		}
		for name, value := range w.Match {
			switch _, known := f.paths[name]; {
			case name == "" || value == "":
				return "workload " + w.Sub + " matches an empty claim"
			case slices.Contains(f.never, name):
				return "workload " + w.Sub + " may not match " + name
			case f.paths != nil && !known:
				return "workload " + w.Sub + " can match " + strings.Join(f.needs, ", ") + " only"
			}
		}
	}
	return ""
}

// find returns the subject of the workload whose claims these are.
func (f form) find(all []Workload, claims map[string]json.RawMessage) (string, bool) {
	for _, w := range all {
		if f.fits(w, claims) {
			return w.Sub, true
		}
	}
	return "", false
}

func (f form) fits(w Workload, claims map[string]json.RawMessage) bool {
	for name, want := range w.Match {
		got, ok := f.claim(claims, name)
		if !ok || got != want {
			return false
		}
	}
	return len(w.Match) > 0
}

// claim returns a text claim. In Kubernetes' tokens it is looked up member by member, each by its exact name.
func (f form) claim(claims map[string]json.RawMessage, name string) (string, bool) {
	path, inside := f.paths[name]
	if !inside {
		var s string
		ok := read(claims, name, &s)
		return s, ok
	}
	raw, ok := claims["kubernetes.io"]
	for part := range strings.SplitSeq(path, ".") {
		if !ok || repeats(raw) {
			return "", false
		}
		var m map[string]json.RawMessage
		if json.Unmarshal(raw, &m) != nil {
			return "", false
		}
		raw, ok = m[part]
	}
	var s string
	if !ok || string(raw) == "null" || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, writ.Printable(s, maxSubject) == s
}
