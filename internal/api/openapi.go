package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/writ-dev/writ"
)

// valueSchema documents writ.Value, which is a struct in Go and a plain value in JSON.
type valueSchema struct{}

// Schema implements huma.SchemaProvider.
func (valueSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "a string, a whole number within 2^53-1, true or false",
		OneOf: []*huma.Schema{
			{Type: "string", MaxLength: new(maxText)},
			{Type: "integer", Format: "int64"},
			{Type: "boolean"},
		},
	}
}

func aliases(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[writ.Value](), reflect.TypeFor[valueSchema]())
}

// specification renders the OpenAPI document. It does not depend on where the door runs.
func specification(api huma.API) ([]byte, error) {
	doc := api.OpenAPI()
	// huma documents its own error model as a by-product; no answer has it.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	openReplies(doc)
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	return append(b, '\n'), nil
}

// openReplies lets schemas that no request has grow by members, as the clients are told to expect.
func openReplies(doc *huma.OpenAPI) {
	requests := map[string]bool{}
	for _, path := range doc.Paths {
		if path.Post == nil || path.Post.RequestBody == nil {
			continue
		}
		for _, m := range path.Post.RequestBody.Content {
			requests[m.Schema.Ref] = true
		}
	}
	for name, s := range doc.Components.Schemas.Map() { // an AssertionRequest lies within another
		if strings.HasSuffix(name, "Request") {
			requests["#/components/schemas/"+name] = true
		}
		if !requests["#/components/schemas/"+name] {
			s.AdditionalProperties = true
		}
	}
}
