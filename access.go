package writ

// An AccessQuestion asks what policy would say, and names all it is about. Nothing in it is a fact: Writ computes those.
type AccessQuestion struct {
	Subject  Principal  // an agent or a person
	Action   string     // playbook/<name>, or the name of an operation or reader
	Service  string     // that it is about
	Incident IncidentID // in which it would be asked; empty for none
	Playbook string     // with an operation: the playbook that it would be a step of
	Plan     PlanID     // instead of Incident and Playbook: the plan whose facts count
}

// AccessNames are what questions can be about, each sorted.
type AccessNames struct {
	Subjects []Principal
	Actions  []string
	Services []string
}
