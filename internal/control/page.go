package control

import (
	"strconv"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// maxLooked bounds the rows that one page looks at, however few of them are kept; the cursor then leads on.
const maxLooked = store.MaxRows

func pageOf(cur string, limit int) (store.Filter, error) {
	f := store.Filter{Newest: true, Limit: writ.DefaultPage}
	if limit != 0 {
		f.Limit = min(max(limit, 1), writ.MaxPage)
	}
	if cur != "" {
		n, err := strconv.ParseInt(cur, 10, 64)
		if err != nil || n < 1 {
			return f, &writ.Refusal{Code: writ.ReasonForm, Detail: "cursor must be the next value of the page before", Kind: writ.ErrInvalid}
		}
		f.AfterSeq = n
	}
	return f, nil
}

// list returns one page of the rows that keep accepts, and the cursor of the next one, empty when there is none.
func list[T any](tx *store.Tx, t store.Table, page store.Filter, keep func(T) bool) (docs []T, rows []store.Row, next string, err error) {
	want := page.Limit
	for looked := 0; looked < maxLooked; {
		found, some, err := find[T](tx, t, page)
		if err != nil {
			return nil, nil, "", err
		}
		for i, r := range some {
			if len(rows) == want {
				return docs, rows, strconv.FormatInt(page.AfterSeq, 10), nil
			}
			page.AfterSeq = r.Seq
			if keep(found[i]) {
				docs, rows = append(docs, found[i]), append(rows, r)
			}
		}
		if len(some) < page.Limit {
			return docs, rows, "", nil
		}
		looked += len(some)
		if len(rows) == want {
			break
		}
	}
	return docs, rows, strconv.FormatInt(page.AfterSeq, 10), nil
}
