package store

// Select returns the SQL of a Find.
func Select(t Table, f Filter) (string, []any) {
	clause, args := f.clause()
	return "SELECT " + columns + " FROM " + tables[t].sql + " " + clause, args
}
