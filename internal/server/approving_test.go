package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTheApprovingOriginIsToldByItsExactHost(t *testing.T) {
	says := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	h := byHost("approve.writ.test", says(http.StatusOK), says(http.StatusTeapot))
	for host, want := range map[string]int{
		"approve.writ.test": http.StatusOK, "writ.test": http.StatusTeapot, "approve.writ.test:8443": http.StatusTeapot, "approve.writ.test.": http.StatusTeapot,
		"x.approve.writ.test": http.StatusTeapot, "approve.writ.test@writ.test": http.StatusTeapot, "": http.StatusTeapot,
	} {
		r := httptest.NewRequest("GET", "/v1/plans", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "approve.writ.test")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}
