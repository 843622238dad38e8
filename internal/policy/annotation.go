package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// Annotation keys; a closed set. Annotations say how a forbid can be met; they never grant.
const (
	keyID          = "id"
	keyReason      = "reason"
	keyDischarge   = "discharge"
	keyApprovals   = "approvals"
	keyApprovers   = "approvers"
	keyProof       = "proof"
	keyMaxTTL      = "max_ttl"
	keyMaxPermille = "max_permille"
	keyMaxObjects  = "max_objects"

	keyVerifyWithin = "verify_within"
	keyNotify       = "notify"
	keyReviewWithin = "review_within"
)

// Ways to discharge a requirement.
const (
	dischargeApprove = "approve"
	dischargeClamp   = "clamp"
)

// proofOfTier as the value of @proof means the level that tiers.yaml demands at the ask's tier.
const proofOfTier = "tier"

// groupFacts maps each group that can approve to the fact that counts its approvals.
var groupFacts = map[string]string{GroupOwner: "approvalsOwner", GroupOncall: "approvalsOncall"}

// Groups that approve.
const (
	GroupOwner  = "owner"  // the team that owns the service
	GroupOncall = "oncall" // the people on call
)

// folderKeys says which keys a folder's policies may carry.
var folderKeys = map[Folder][]string{
	Grants: {keyID, keyReason, keyVerifyWithin, keyNotify, keyReviewWithin},
	Limits: {keyID, keyReason},
	Requirements: {
		keyID, keyReason, keyDischarge, keyApprovals, keyApprovers, keyProof, keyMaxTTL, keyMaxPermille, keyMaxObjects,
	},
}

// A demand is what one requirement asks for.
type demand struct {
	group       string
	approvals   int
	proof       writ.ProofLevel
	tierProof   bool // the level is the tier's
	maxTTL      int  // seconds
	maxPermille int
	maxObjects  int
}

// annotate reads a policy's annotations into r.
func annotate(r *rule, p *cedarx.Policy) error {
	seen := map[string]string{}
	for _, a := range p.Annotations {
		if _, twice := seen[a.Key]; twice {
			return fmt.Errorf("@%s stands twice", writ.Printable(a.Key, 40))
		}
		if !slices.Contains(folderKeys[r.Folder], a.Key) {
			return fmt.Errorf("@%s is not known in %s/; known: @%s", writ.Printable(a.Key, 40), r.Folder, strings.Join(folderKeys[r.Folder], ", @"))
		}
		seen[a.Key] = a.Value
	}
	r.Reason = seen[keyReason]
	if n := len(r.Reason); n == 0 || n > maxReason || writ.Printable(r.Reason, maxReason) != r.Reason {
		return fmt.Errorf("@reason must be one plain sentence of at most %d characters", maxReason)
	}
	if r.Folder == Grants {
		return readDuties(&r.duties, seen)
	}
	if r.Folder != Requirements {
		return nil
	}
	return r.demand.read(seen, p)
}

// maxReason bounds the sentence that people see: one line of a page.
const maxReason = 240

func (d *demand) read(seen map[string]string, p *cedarx.Policy) error {
	switch seen[keyDischarge] {
	case dischargeApprove:
		return d.readApprove(seen, p)
	case dischargeClamp:
		return d.readClamp(seen, p)
	case "":
		return fmt.Errorf("@discharge is missing: a forbid that nothing can lift belongs into limits/")
	}
	return fmt.Errorf("@discharge is %s or %s", dischargeApprove, dischargeClamp)
}

func (d *demand) readApprove(seen map[string]string, p *cedarx.Policy) error {
	for _, k := range []string{keyMaxTTL, keyMaxPermille, keyMaxObjects} {
		if _, ok := seen[k]; ok {
			return fmt.Errorf("@%s goes with @discharge(%q)", k, dischargeClamp)
		}
	}
	n, hasN := seen[keyApprovals]
	group, hasGroup := seen[keyApprovers]
	if !hasN || !hasGroup {
		return fmt.Errorf("@approvals and @approvers come together")
	}
	var err error
	if d.approvals, err = positive(keyApprovals, n); err != nil {
		return err
	}
	counted, known := groupFacts[group]
	if !known {
		return fmt.Errorf("@approvers is %s or %s", GroupOwner, GroupOncall)
	}
	d.group = group
	if !p.Reads(counted) {
		return fmt.Errorf("@approvers(%q) is about context.%s, which the condition does not read", group, counted)
	}
	level, hasProof := seen[keyProof]
	switch {
	case !hasProof:
		return nil
	case level == proofOfTier:
		d.tierProof = true
		if !p.Reads("tierProof") {
			return fmt.Errorf("@proof(%q) is about context.tierProof, which the condition does not read", level)
		}
	case writ.ProofLevel(level).Strength() > 0:
		d.proof = writ.ProofLevel(level)
	default:
		return fmt.Errorf("@proof is A, B, C, D or %s", proofOfTier)
	}
	if !p.Reads("proof") {
		return fmt.Errorf("@proof is about context.proof, which the condition does not read")
	}
	return nil
}

func (d *demand) readClamp(seen map[string]string, p *cedarx.Policy) error {
	for _, k := range []string{keyApprovals, keyApprovers, keyProof} {
		if _, ok := seen[k]; ok {
			return fmt.Errorf("@%s goes with @discharge(%q)", k, dischargeApprove)
		}
	}
	if v, ok := seen[keyMaxTTL]; ok {
		t, err := time.ParseDuration(v)
		if err != nil || t < time.Second || t%time.Second != 0 {
			return fmt.Errorf("@%s is a duration of whole seconds, such as 5m", keyMaxTTL)
		}
		d.maxTTL = int(t / time.Second)
	}
	var err error
	if v, ok := seen[keyMaxPermille]; ok {
		if d.maxPermille, err = positive(keyMaxPermille, v); err != nil {
			return err
		}
	}
	if v, ok := seen[keyMaxObjects]; ok {
		if d.maxObjects, err = positive(keyMaxObjects, v); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		key, fact string
		cap       int
	}{{keyMaxTTL, "ttl", d.maxTTL}, {keyMaxPermille, "maxPermille", d.maxPermille}, {keyMaxObjects, "maxObjects", d.maxObjects}} {
		if c.cap > 0 && !p.Reads(c.fact) {
			return fmt.Errorf("@%s is about context.%s, which the condition does not read", c.key, c.fact)
		}
	}
	if d.maxTTL+d.maxPermille+d.maxObjects == 0 {
		return fmt.Errorf("@discharge(%q) needs @%s, @%s or @%s", dischargeClamp, keyMaxTTL, keyMaxPermille, keyMaxObjects)
	}
	return nil
}

// maxDemand bounds the numbers of annotations; a larger one is a mistake, and sums of them stay far from overflow.
const maxDemand = 1_000_000

func positive(key, s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxDemand || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("@%s is a whole number from 1 on", key)
	}
	return n, nil
}
