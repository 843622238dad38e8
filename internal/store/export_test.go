package store

import "sync/atomic"

// Select returns the SQL of a Find.
func Select(t Table, f Filter) (string, []any) {
	clause, args := f.clause()
	return "SELECT " + columns + " FROM " + tables[t].sql + " " + clause, args
}

// Resolve asks how a commit ended whose connection was lost, by the number of its transaction, its own number in the
// ledger and its mark.
func Resolve(s *Store, xid string, number int64, mark string) error {
	session := s.writer.session.(*pgSession)
	lost := &pgSession{pgConn: newPGConn(session.config, new(atomic.Int64), func(string) {}), xid: xid}
	return lost.resolve(number, mark)
}
