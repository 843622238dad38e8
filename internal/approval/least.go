package approval

import "github.com/writ-dev/writ"

// Least is how many different people a tier asks for by its meaning, which no policy and no file lowers. Break-glass brings
// two down to one, and one never to nobody.
func Least(t writ.Tier, emergency bool) int {
	n := 2
	switch t {
	case writ.T0, writ.T1:
		n = 0
	case writ.T2:
		n = 1
	}
	if emergency {
		n = min(1, n)
	}
	return n
}
