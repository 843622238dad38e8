package prometheus

import "github.com/writ-dev/writ/internal/connector"

// ParseAnswer is all that is done with the bytes of an answer.
func ParseAnswer(b []byte) {
	if all, err := parse(b); err == nil {
		_ = facts(all)
		_ = fill(&connector.Reading{}, all, 1000)
	}
}
