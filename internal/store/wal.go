package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/writ-dev/writ"
)

// walEvery is how often the write-ahead log is moved into the database file, off the writer's path. At the measured
// peak of 25,000 commits a second it holds more than walPages by then, and the writer does it.
const walEvery = time.Second

// walPages is how many pages the write-ahead log may hold before the writer itself moves them into the database file and begins
// the log anew: 16 MiB, some hundreds of commits. With one that is this long from the start, no commit makes the file grow.
const walPages = 4000

// walLength is the length of a log of walPages pages of 4 KiB, and what one large commit adds: a header, and pages with theirs
// (sqlite.org/fileformat2.html section 4.1).
const walLength = 32 + (walPages+walPages/8)*(24+4096)

// prewrite makes a write-ahead log as long as it will get. A commit that makes the file grow waits for the file system's own
// journal besides its own bytes, about twice as long as one that writes over what is there. The zeros are behind whatever the
// log holds, and are no frames: only frames with the log's salts and checksums are read (section 4.4). Nobody else has the
// database open.
func prewrite(ctx context.Context, c *sql.Conn, path string) error {
	var tables int
	if err := c.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&tables); err != nil { // opens the log, and takes up what a crash left
		return kind(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("%w: write-ahead log: %w", writ.ErrUnavailable, err)
	}
	defer f.Close()
	was, err := f.Seek(0, io.SeekEnd)
	zeros := make([]byte, 1<<20)
	for at := was; at < walLength && err == nil; at += int64(len(zeros)) {
		_, err = f.Write(zeros[:min(int64(len(zeros)), walLength-at)])
	}
	if err != nil { // there is no room for more speed
		err = f.Truncate(was)
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		return fmt.Errorf("%w: write-ahead log: %w", writ.ErrUnavailable, err)
	}
	return nil
}

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
