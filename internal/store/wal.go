package store

import (
	"database/sql"
	"time"
)

// walEvery is how often the write-ahead log is moved into the database file, off the writer's path. At the measured
// peak of 25,000 commits a second it then holds some tens of megabytes.
const walEvery = time.Second

// checkpointWAL is the goroutine that does it. When it cannot, the writer's own threshold does.
func (s *Store) checkpointWAL(db *sql.DB) {
	tick := time.NewTicker(walEvery)
	defer tick.Stop()
	var done int64
	for {
		select {
		case <-tick.C:
		case <-s.stop.Done():
			return
		}
		now := s.commits.Load()
		if now == done {
			continue
		}
		if _, err := db.ExecContext(s.stop, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil && s.stop.Err() == nil {
			s.log.Warn("write-ahead log not moved", "error", kind(err))
			continue
		}
		done = now
	}
}
