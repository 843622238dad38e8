package approval

import (
	"bytes"
	"fmt"
	"math"
	"net/url"
	"slices"

	"github.com/writ-dev/writ"
)

// NoAAGUID is what an authenticator says that does not name its model.
const NoAAGUID = "00000000-0000-0000-0000-000000000000"

// CheckCredential refuses a passkey that is incomplete, whose key cannot approve, or that claims more than it can prove:
// level A is for an attested model that keeps the key on its device.
func CheckCredential(c writ.Credential) error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: passkey: %s", writ.ErrInvalid, fmt.Sprintf(format, a...))
	}
	if _, err := ParseCOSE(c.Key); err != nil {
		return err
	}
	switch {
	case len(c.ID) == 0 || len(c.ID) > writ.MaxCredentialID:
		return bad("id has 1 to %d bytes", writ.MaxCredentialID)
	case !IsAAGUID(c.AAGUID):
		return bad("aaguid is a UUID in lower case, %s when there is none", NoAAGUID)
	case c.Level != writ.ProofA && c.Level != writ.ProofB:
		return bad("level is A or B")
	case c.Level == writ.ProofA && (c.Synced || c.AAGUID == NoAAGUID):
		return bad("level A is for a passkey whose model is attested and that stays on its device")
	case c.Counter < 0 || c.Counter > math.MaxUint32:
		return bad("counter is 0 to %d", uint32(math.MaxUint32))
	case c.Since.IsZero():
		return bad("since says when it was confirmed")
	}
	return CheckOrigin(c.Origin, c.RP)
}

// CheckOrigin refuses an origin that is not one in the spelling of browsers, and an rpId that is not its host: a wider one
// would let other sites of the domain ask for approvals. Plain http is for localhost.
func CheckOrigin(origin, rp string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host || u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost") {
		return fmt.Errorf("%w: passkey: origin is https://<host> in lower case, without a path, or http://localhost:<port>", writ.ErrInvalid)
	}
	if !isHostName(u.Hostname()) || u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		return fmt.Errorf("%w: passkey: origin has a plain host name, and a port only if it is not the usual one", writ.ErrInvalid)
	}
	if rp != u.Hostname() {
		return fmt.Errorf("%w: passkey: rp_id must be the host of origin, %s", writ.ErrInvalid, u.Hostname())
	}
	return nil
}

// isHostName reports whether s is a name in lower case that a browser takes as an rpId, which an address is not.
func isHostName(s string) bool {
	letter := false
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z':
			letter = true
		case c >= '0' && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return letter && len(s) <= 253
}

// IsAAGUID reports whether s is a model's name as passkeys have it: a UUID in lower case.
func IsAAGUID(s string) bool {
	if len(s) != len(NoAAGUID) {
		return false
	}
	for i := range len(s) {
		hex := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		if dash := NoAAGUID[i] == '-'; dash && s[i] != '-' || !dash && !hex {
			return false
		}
	}
	return true
}

// passkey returns the member's passkey of this id.
func (m Member) passkey(id []byte) (writ.Credential, bool) {
	i := slices.IndexFunc(m.Passkeys, func(c writ.Credential) bool { return bytes.Equal(c.ID, id) })
	if i < 0 {
		return writ.Credential{}, false
	}
	return m.Passkeys[i], true
}
