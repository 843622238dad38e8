package store

// A Version names a committed state of a SQLite store as long as its process lives. The zero Version names none.
type Version int64

// Version names what a View sees, or an older state. It is zero on PostgreSQL, where other replicas commit too.
func (tx *Tx) Version() Version { return tx.version }

// Is reports, inside Update, whether this transaction still sees the state that v names and no other: whatever was found out in
// that View would be found out again. When in doubt it says no.
func (tx *Tx) Is(v Version) bool {
	return v != 0 && tx.w != nil && tx.alive() == nil && !tx.w.dirty && v == tx.w.version()
}

// version is the newest committed state. A commit is counted when it is over: a snapshot that is taken after this was read is of
// this state or of a newer one, and the writer, which alone counts, finds another number then.
func (s *Store) version() Version {
	if s.shared != nil {
		return 0
	}
	return Version(s.commits.Load() + 1)
}
