package config

// LoadNotices reads and checks only what a server's file says of notices.
func LoadNotices(file string) (Server, error) {
	var s Server
	if err := load(file, &s); err != nil {
		return s, err
	}
	c := checks{file: file}
	c.notices(s)
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
