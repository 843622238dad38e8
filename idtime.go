package writ

import (
	"strings"
	"time"
)

// Opened returns when the incident was opened, to the millisecond, as its id says: the first ten characters of a ULID are
// the time at which it was made. It is the zero time for an empty id.
func (id IncidentID) Opened() time.Time {
	ulid, ok := strings.CutPrefix(string(id), "inc_")
	if !ok || len(ulid) != ulidLen {
		return time.Time{}
	}
	var ms int64
	for _, c := range ulid[:10] { // 48 bits and two that are 0
		ms = ms<<5 | int64(strings.IndexRune(crockford, c)&31)
	}
	return time.UnixMilli(ms).UTC()
}
