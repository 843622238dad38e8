package config

// LoadNotices reads and checks only what a server's file says of notices.
func LoadNotices(file string) (Server, error) { return loadPart(file, (*checks).notices) }

// LoadTokens reads and checks only what a server's file says of the token endpoint.
func LoadTokens(file string) (Server, error) { return loadPart(file, (*checks).tokens) }

// LoadEvidence reads and checks only what a server's file says of how old readings may be.
func LoadEvidence(file string) (Server, error) { return loadPart(file, (*checks).evidence) }

// LoadOnCall reads and checks only what a server's file says of who is on call and of fatigue.
func LoadOnCall(file string) (Server, error) { return loadPart(file, (*checks).onCall) }

func loadPart(file string, check func(*checks, Server)) (Server, error) {
	var s Server
	if err := load(file, &s); err != nil {
		return s, err
	}
	c := checks{file: file}
	check(&c, s)
	return s, c.err
}

// LoadIntake reads and checks only what a server's file says of intake.
func LoadIntake(file string) (Server, error) {
	var s Server
	if err := load(file, &s); err != nil {
		return s, err
	}
	c := checks{file: file}
	c.intake(s)
	return s, c.err
}
