package server_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"
)

// TestEveryAnswerOfAnHTTPSListenerKeepsBrowsersOnHTTPS, also one that a handler refuses.
func TestEveryAnswerOfAnHTTPSListenerKeepsBrowsersOnHTTPS(t *testing.T) {
	address := serve(t, time.Minute, func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	c := http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer c.CloseIdleConnections()
	resp, err := c.Get("https://" + address + "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" || resp.StatusCode != http.StatusNotFound {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
}
