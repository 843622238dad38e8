package policy

import (
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// Entity types, as the schema names them.
const (
	typeAgent   = "Agent"
	typeHuman   = "Human"
	typeService = "Service"
	typeTeam    = "Team"
	typeEnv     = "Env"
	typeRole    = "Role"
	typePlane   = "Plane"
)

// principalUID names the asker by issuer and subject: the same subject from two issuers is two principals. No issuer
// contains the bar, so two pairs never share a name.
func (f *Facts) principalUID() cedarx.UID {
	kind := typeAgent
	if f.Principal.Kind == writ.KindHuman {
		kind = typeHuman
	}
	return cedarx.NewUID(kind, f.Principal.Iss+"|"+f.Principal.Sub)
}

// A principal is one converted, with what of the facts it was made of beside its name.
type principal struct {
	team      string
	roles     []string
	suspended bool
	oncall    bool
	lost      bool // of autonomy
	entity    cedarx.Entity
}

// principal returns the asker's entity, which the schema has found valid. The same agent asks again and again, and is
// converted and checked once for as long as nothing that is known of it changes.
func (b *Bundle) principal(f *Facts, strict bool) (cedarx.Entity, error) {
	p, known := b.principals.get(f.Principal)
	if known && !strict && p.team == f.Team && p.suspended == f.Suspended && p.oncall == f.Oncall && p.lost == f.AutonomyLost && slices.Equal(p.roles, f.Roles) {
		return p.entity, nil
	}
	entity := f.principalEntity()
	if err := b.schema.CheckEntity(entity); err != nil {
		return cedarx.Entity{}, err
	}
	b.principals.put(f.Principal, principal{f.Team, slices.Clone(f.Roles), f.Suspended, f.Oncall, f.AutonomyLost, entity})
	return entity, nil
}

// A service is all that its entity is made of.
type service struct {
	name, team, env string
	stateful        bool
}

// service is principal for what is asked about.
func (b *Bundle) service(f *Facts, strict bool) (cedarx.Entity, error) {
	key := service{f.Service, f.OwningTeam, f.Env, f.Stateful}
	if entity, known := b.services.get(key); known && !strict {
		return entity, nil
	}
	entity := f.serviceEntity()
	if err := b.schema.CheckEntity(entity); err != nil {
		return cedarx.Entity{}, err
	}
	b.services.put(key, entity)
	return entity, nil
}

func (f *Facts) principalEntity() cedarx.Entity {
	var attributes cedarx.Members
	if f.Principal.Kind == writ.KindHuman {
		attributes = cedarx.Members{"oncall": cedarx.Bool(f.Oncall)}
	} else {
		attributes = cedarx.Members{"roles": uidSet(typeRole, f.Roles), "suspended": cedarx.Bool(f.Suspended), "autonomy": cedarx.Long(f.autonomy())}
	}
	if f.Team == "" {
		return cedarx.NewEntity(f.principalUID(), cedarx.NewRecord(attributes))
	}
	return cedarx.NewEntity(f.principalUID(), cedarx.NewRecord(attributes), cedarx.NewUID(typeTeam, f.Team))
}

// autonomy is what rules read of an agent's record: 1, and 0 once T1 is lost.
func (f *Facts) autonomy() int64 {
	if f.AutonomyLost {
		return 0
	}
	return 1
}

func (f *Facts) serviceEntity() cedarx.Entity {
	team := cedarx.NewUID(typeTeam, f.OwningTeam)
	return cedarx.NewEntity(cedarx.NewUID(typeService, f.Service), cedarx.NewRecord(cedarx.Members{
		"env": cedarx.NewUID(typeEnv, f.Env), "owner": team, "stateful": cedarx.Bool(f.Stateful),
	}), team)
}

func uidSet(kind string, ids []string) cedarx.Value {
	values := make([]cedarx.Value, len(ids))
	for i, id := range ids {
		values[i] = cedarx.NewUID(kind, id)
	}
	return cedarx.SetOf(values...)
}

func stringSet(all []string) cedarx.Value {
	out := make([]cedarx.Value, 0, len(all))
	for _, s := range all {
		out = append(out, cedarx.Text(s))
	}
	return cedarx.SetOf(out...)
}
