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

// LoadOnCall reads and checks only what a server's file says of who is on call and of fatigue.
func LoadOnCall(file string) (Server, error) {
	var s Server
	if err := load(file, &s); err != nil {
		return s, err
	}
	c := checks{file: file}
	c.onCall(s)
	return s, c.err
}
