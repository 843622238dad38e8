package main

// opened is the head of most commands that ask the server: it takes exactly want positional arguments, as flags.parse does,
// reads the configuration and makes the client.
func (r *remote) opened(f *flags, args []string, want int) ([]string, error) {
	rest, err := f.parse(args, want)
	if err != nil {
		return nil, err
	}
	return rest, r.open()
}
