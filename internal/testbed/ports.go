package testbed

import "net"

// freePorts returns n different ports of 127.0.0.1 that nobody listens on at this moment. Somebody may take one before
// it is bound, so whoever uses them must be ready to start again with others.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all stay open until all are known, so they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
