package notice

import (
	"fmt"
	"net/mail"
	"strings"

	"github.com/writ-dev/writ"
)

// maxAddress is the length of a mail address, RFC 5321 section 4.5.3.1.3 less its brackets.
const maxAddress = 254

// CheckAddress refuses what is not one bare mail address in ASCII.
func CheckAddress(s string) error {
	a, err := mail.ParseAddress(s)
	plain := err == nil && a.Name == "" && a.Address == s && len(s) <= maxAddress && strings.Count(s, "@") == 1
	for _, r := range s {
		plain = plain && r > ' ' && r < 0x7f && !strings.ContainsRune(`<>"(),:;\[]`, r)
	}
	if !plain {
		return fmt.Errorf("%w: %q is not a mail address such as oncall@corp.example", writ.ErrInvalid, writ.Printable(s, 80))
	}
	return nil
}
