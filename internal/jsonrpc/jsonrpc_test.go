package jsonrpc_test

import (
	"encoding/json"
	"testing"

	"github.com/writ-dev/writ/internal/jsonrpc"
)

func TestAnErrorAnswersTheIDAsItWasWritten(t *testing.T) {
	for id, want := range map[string]string{"": "null", "7": "7", `"a"`: `"a"`, "9007199254740993": "9007199254740993", "null": "null"} {
		got, err := jsonrpc.Error{Code: -32600, Message: `no "method"`}.For(json.RawMessage(id))
		if want := `{"jsonrpc":"2.0","id":` + want + `,"error":{"code":-32600,"message":"no \"method\""}}`; err != nil || string(got) != want {
			t.Errorf("id %q: %s, %v", id, got, err)
		}
	}
	if got, err := (jsonrpc.Error{}).For(json.RawMessage("{")); err == nil {
		t.Errorf("an id that is not JSON: %s", got)
	}
}
