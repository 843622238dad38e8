package notify

import (
	"mime/quotedprintable"
	"strings"
)

// quotedPrintable encodes text with line ends as mail wants them (RFC 2045 section 6.7).
func quotedPrintable(s string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(s, "\n", "\r\n"))) // into memory
	_ = w.Close()
	return b.String()
}
