package kubernetes

import (
	"strconv"
	"strings"

	"github.com/writ-dev/writ"
)

// A pace is how a workload replaces its own pods: how many it wants, how many are ready, and how many of those it may take
// away at once.
type pace struct{ want, ready, atOnce, down int64 }

// floor is how many ready pods the workload leaves by itself.
func (p pace) floor() int64 { return p.ready - p.down }

// blast is the radius of a rollout at that pace.
func (p pace) blast() writ.Blast {
	return writ.Blast{Replicas: int(p.want), Permille: permille(p.down, p.ready)}
}

// paceOf reads a workload's pace from its own update strategy. A pod that is not ready cannot be lost: a workload that
// is wholly broken has nothing to take away.
func paceOf(k kind, o object) pace {
	p := pace{want: o.num(1, "spec", "replicas"), ready: o.num(0, "status", "readyReplicas")}
	switch k.name {
	case "statefulset":
		p.atOnce = 1 // from the last ordinal down, each after the one before is ready again
		if n, ok := absolute(o.at("spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), p.want, true); ok {
			p.atOnce = max(1, n)
		}
		if o.str("spec", "updateStrategy", "type") != "OnDelete" {
			p.down = min(p.atOnce, p.ready) // its controller does not count what is down already
		}
		return p
	case "daemonset":
		p.want, p.ready = o.num(0, "status", "desiredNumberScheduled"), o.num(0, "status", "numberReady")
		n, ok := absolute(o.at("spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), p.want, true)
		if !ok {
			n = 1
		}
		if p.atOnce = n; o.str("spec", "updateStrategy", "type") != "OnDelete" {
			p.down = min(max(0, p.ready-(p.want-n)), p.ready)
		}
		return p
	case "replicaset": // one without a deployment: nothing is replaced but what somebody deletes
		return p
	}
	if o.str("spec", "strategy", "type") == "Recreate" {
		p.atOnce, p.down = p.want, p.ready
		return p
	}
	atOnce, ok := absolute(o.at("spec", "strategy", "rollingUpdate", "maxUnavailable"), p.want, false)
	if !ok {
		atOnce = p.want / 4 // the default of 25 %, rounded down
	}
	surge, ok := absolute(o.at("spec", "strategy", "rollingUpdate", "maxSurge"), p.want, true)
	if ok && surge == 0 && atOnce == 0 {
		atOnce = 1 // the controller has to take one away to make any progress
	}
	p.atOnce, p.down = atOnce, min(max(0, p.ready-(p.want-atOnce)), p.ready)
	return p
}

// absolute resolves a number or a percentage of whole.
func absolute(v any, whole int64, up bool) (int64, bool) {
	if s, ok := v.(string); ok && strings.HasSuffix(s, "%") {
		n, err := strconv.ParseInt(strings.TrimSuffix(s, "%"), 10, 32)
		if err != nil || n < 0 {
			return 0, false
		}
		n *= whole
		if up {
			n += 99
		}
		return n / 100, true
	}
	n := object{"n": v}.num(-1, "n")
	return n, n >= 0
}

// permille is the share of part in whole, rounded up, from 0 to 1000.
func permille(part, whole int64) int {
	if part <= 0 || whole <= 0 {
		return 0
	}
	return int((min(part, whole)*1000 + whole - 1) / whole)
}
