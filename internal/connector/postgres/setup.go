package postgres

import (
	_ "embed"
	"slices"
	"strings"
	"text/template"
)

//go:embed setup.sql
var setup string

// Setup returns the statements with which the database's owner lets this connector in. They hold no secret, and nothing of
// them is anybody's text but the configuration's, whose names were checked.
func (x *Connector) Setup() (string, error) {
	t, err := template.New("setup").Option("missingkey=error").Parse(setup)
	if err != nil {
		return "", err
	}
	var schemas, views []string
	for _, r := range x.catalogue.Readers {
		v := x.views[r.Name]
		schema, _, _ := strings.Cut(v.View, ".")
		schemas, views = append(schemas, schema), append(views, v.relation())
	}
	slices.Sort(schemas)
	slices.Sort(views)
	var b strings.Builder
	err = t.Execute(&b, struct {
		Group, Owner, User, Schema, Prefix string
		Schemas, Views                     []string
	}{x.group(), "writ_owner_" + x.name, x.user, x.schema(), x.prefix(), slices.Compact(schemas), slices.Compact(views)})
	return b.String(), err
}

func (x *Connector) group() string  { return "writ_views_" + x.name }
func (x *Connector) schema() string { return "writ_" + x.name }
func (x *Connector) prefix() string { return "writ_read_" + x.name + "_" }
