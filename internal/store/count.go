package store

import "fmt"

// Count returns how many rows match f, and stops counting at most: the work has a bound, and no row is read.
func (tx *Tx) Count(t Table, f Filter, most int) (n int, err error) {
	tx.asks()
	return tx.tally(t, f, most)
}

func (tx *Tx) tally(t Table, f Filter, most int) (n int, err error) {
	name, err := t.name()
	if err != nil {
		return 0, err
	}
	if err := tx.alive(); err != nil {
		return 0, err
	}
	clause, args := f.clause()
	args[len(args)-1] = most // the limit
	err = tx.conn.query("SELECT COUNT(*) FROM (SELECT 1 FROM "+name+" "+clause+") AS counted", func(r row) error { return r.Scan(&n) }, args...)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", t, tx.note(err))
	}
	return n, nil
}
