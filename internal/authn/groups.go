package authn

import (
	"context"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
)

// Groups say how an issuer's claim becomes teams. Groups that are not named mean nothing.
type Groups struct {
	Claim string            // of the ID token: a list of texts
	Teams map[string]string // group at the issuer -> team of the service catalogue and the roster
}

// People keep what issuers say of people's teams. NoteTeams is durable when it returns, and leaves alone what a newer
// token said.
type People interface {
	NoteTeams(ctx context.Context, who writ.Principal, m writ.Membership) error
}

const (
	// maxGroups bounds the groups of one token: directories stop writing them into tokens at 150 to 1,000.
	maxGroups = 1000
	// maxGroup bounds a group's name: the longest distinguished names in use.
	maxGroup = 512
)

// check says what is wrong, or nothing.
func (g *Groups) check() string {
	if g == nil {
		return ""
	}
	if g.Claim == "" || len(g.Claim) > maxGroup || len(g.Teams) == 0 || len(g.Teams) > maxGroups {
		return fmt.Sprintf("groups must name a claim, and one to %d groups with their teams", maxGroups)
	}
	for group, team := range g.Teams {
		if group == "" || len(group) > maxGroup || !writ.IsName(team) {
			return fmt.Sprintf("groups.teams: %q must be a group of the issuer with a team that is a plain name, such as payments", writ.Printable(group, 80))
		}
	}
	return ""
}

// note keeps the teams that a believed token of a person names, where the issuer's groups are mapped. A token without a
// readable claim is refused: to take it for a person without teams would be safe, and would hide a broken
// configuration; an issuer that has too many groups to list leaves the claim out.
func (a *Authenticator) note(ctx context.Context, i *issuer, t jwt, who writ.Principal) error {
	if i.config.Groups == nil {
		return nil
	}
	var groups []string
	if !read(t.claims, i.config.Groups.Claim, &groups) || len(groups) > maxGroups {
		return refuse(CodeGroups)
	}
	iat, ok := instant(t.claims, "iat")
	if !ok {
		return refuse(CodeNotYet)
	}
	m := writ.Membership{AsOf: iat.UTC()}
	for _, g := range groups {
		if team, ok := i.config.Groups.Teams[g]; ok {
			m.Teams = append(m.Teams, team)
		}
	}
	slices.Sort(m.Teams)
	if m.Teams = slices.Compact(m.Teams); len(m.Teams) > writ.MaxTeams {
		return refuse(CodeGroups)
	}
	if err := a.people.NoteTeams(ctx, who, m); err != nil {
		return refuseBecause(CodeMemory, err)
	}
	return nil
}
