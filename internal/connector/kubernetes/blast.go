package kubernetes

import (
	"strconv"
	"strings"

	"github.com/writ-dev/writ"
)

// rolloutBlast is how much of a workload's ready capacity may be gone at once while its pods are replaced, from its
// own update strategy. A pod that is not ready cannot be lost: a workload that is wholly broken has a share of 0.
func rolloutBlast(k kind, o object) writ.Blast {
	switch k.name {
	case "statefulset":
		want, ready := o.num(1, "spec", "replicas"), o.num(0, "status", "readyReplicas")
		atOnce := int64(1) // from the last ordinal down, each after the one before is ready again
		if n, ok := absolute(o.at("spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), want, true); ok {
			atOnce = max(1, n)
		}
		if o.str("spec", "updateStrategy", "type") == "OnDelete" {
			atOnce = 0
		}
		return writ.Blast{Replicas: int(want), Permille: permille(min(atOnce, ready), ready)}
	case "daemonset":
		want, ready := o.num(0, "status", "desiredNumberScheduled"), o.num(0, "status", "numberReady")
		if o.str("spec", "updateStrategy", "type") == "OnDelete" {
			return writ.Blast{Replicas: int(want)}
		}
		atOnce, ok := absolute(o.at("spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), want, true)
		if !ok {
			atOnce = 1
		}
		return writ.Blast{Replicas: int(want), Permille: permille(ready-(want-atOnce), ready)}
	}
	want, ready := o.num(1, "spec", "replicas"), o.num(0, "status", "readyReplicas")
	if o.str("spec", "strategy", "type") == "Recreate" {
		return writ.Blast{Replicas: int(want), Permille: permille(ready, ready)}
	}
	atOnce, ok := absolute(o.at("spec", "strategy", "rollingUpdate", "maxUnavailable"), want, false)
	if !ok {
		atOnce = want / 4 // the default of 25 %, rounded down
	}
	surge, ok := absolute(o.at("spec", "strategy", "rollingUpdate", "maxSurge"), want, true)
	if ok && surge == 0 && atOnce == 0 {
		atOnce = 1 // the controller has to take one away to make any progress
	}
	return writ.Blast{Replicas: int(want), Permille: permille(ready-(want-atOnce), ready)}
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
