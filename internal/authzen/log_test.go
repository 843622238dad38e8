package authzen_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/authzen"
)

// What is asked without effect is on record all the same: who asked, and how; and nothing of what was said beside it.
func TestPitfall22AQuestionIsLogged(t *testing.T) {
	var log bytes.Buffer
	r := &rules{}
	h, err := authzen.Handler(authzen.Config{
		Authenticator: keys{"Bearer a": agentA}, Evaluator: r, Proposer: r, Idempotency: &apitest.Keys{}, BindingKey: make([]byte, 32), ExternalURL: "https://writ.test", Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	body := strings.TrimSuffix(ask("a", "shop", "restart"), "}") + `,"context":{"password":"hunter2"}}`
	for _, path := range []string{authzen.PathEvaluation, authzen.PathEvaluations, authzen.PathSearch + "action"} {
		log.Reset()
		req := httptest.NewRequest("POST", "https://writ.test"+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer a")
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		line := log.String()
		if w.Code != 200 || !strings.Contains(line, agentA.String()) || !strings.Contains(line, "POST /access/v1/") || strings.Contains(line, "hunter2") || strings.Contains(line, "Bearer") {
			t.Errorf("%s: %d, logged %q", path, w.Code, line)
		}
	}
}
