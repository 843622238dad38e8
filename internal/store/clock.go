package store

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

// Clock reads the clock of the database's server, in UTC. shared is false where there is none: SQLite goes by this process's
// own clock.
func (s *Store) Clock(ctx context.Context) (at time.Time, shared bool, err error) {
	if s.shared == nil {
		return time.Time{}, false, nil
	}
	var micros int64
	err = s.readers.with(ctx, func(c conn) error {
		return c.query("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)", func(r row) error { return r.Scan(&micros) })
	})
	if err != nil {
		return time.Time{}, true, fmt.Errorf("%w: the database's clock: %w", writ.ErrUnavailable, err)
	}
	return time.UnixMicro(micros).UTC(), true, nil
}
