package redact

// luhn reports whether the digits of s are those of a payment card: 13 to 19 of them, beginning with 3 to 6 as those of the large issuers, the last of
// which checks the others (ISO/IEC 7812-1, annex B). One in ten other numbers of that length passes, and is removed.
func luhn(s string) bool {
	sum, n := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		d := int(s[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, n = sum+d, n+1
	}
	return n >= 13 && n <= 19 && sum%10 == 0 && s[0] >= '3' && s[0] <= '6'
}
