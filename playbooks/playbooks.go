// Package playbooks holds the playbooks that Writ ships. Each names a placeholder team, platform, as its owner: a
// deployment copies those it wants and puts the team that answers for them.
package playbooks

import "embed"

// Library holds one file for each playbook.
//
//go:embed *.yaml
var Library embed.FS
