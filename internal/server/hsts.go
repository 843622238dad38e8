package server

import "net/http"

// strictTransport has browsers come by HTTPS alone for a year (RFC 6797), so that nobody on the way can have them come without. It
// says nothing about other hosts of the domain: they are not Writ's.
const strictTransport = "max-age=31536000"

// secured says on every answer of an HTTPS listener that browsers are to come back by HTTPS.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", strictTransport)
		h.ServeHTTP(w, r)
	})
}
