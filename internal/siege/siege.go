// Package siege holds no code: its tests put a real control plane, store and runner under siege by many agents at once,
// and watch the target.
package siege
