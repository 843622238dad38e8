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

// LoadTokens reads and checks only what a server's file says of the token endpoint.
func LoadTokens(file string) (Server, error) {
	var s Server
	if err := load(file, &s); err != nil {
		return s, err
	}
	c := checks{file: file}
	c.tokens(s)
	return s, c.err
}
