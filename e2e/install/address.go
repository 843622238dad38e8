package install

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports of installations lie below those that the kernel gives to outgoing connections (ip(7), ip_local_port_range: from
// 32768): one of these could otherwise take a port between our choice and the process's bind.
const (
	firstPort = 20000
	ports     = 12000
)

// handedOut remembers ports, so that two tests never get the same one.
var handedOut sync.Map

// Addresses finds loopback addresses that nobody listens on.
func Addresses(t testing.TB, n int) []string {
	t.Helper()
	var out []string
	for tries := 0; len(out) < n; tries++ {
		if tries > 1000 {
			t.Fatal("no free ports")
		}
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(ports))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		must(t, l.Close())
		if _, taken := handedOut.LoadOrStore(address, true); !taken {
			out = append(out, address)
		}
	}
	return out
}
