package api

import (
	"strconv"
	"strings"
	"time"
)

// maxWait bounds a long poll: 20 s stays below the idle limits of common proxies and agents' tools.
const maxWait = 20 * time.Second

// wait reads "wait=<seconds>" from a Prefer header (RFC 7240 section 4.3). Preferences that are not understood are
// ignored, as its section 2 wants; longer waits are cut to maxWait.
func wait(prefer string) time.Duration {
	for p := range strings.SplitSeq(prefer, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return 0
		}
		return min(time.Duration(seconds)*time.Second, maxWait)
	}
	return 0
}

// applied is the Preference-Applied header for a wait.
func applied(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return "wait=" + strconv.Itoa(int(d/time.Second))
}
