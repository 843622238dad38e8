package policy

import "sync"

// A memo remembers what was made of a key: a pure function of it, so that an answer never depends on what is remembered.
// The zero memo is empty. It is safe for concurrent use.
type memo[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V // guarded by mu
}

// maxMemo bounds a memo: the agents and services of a large deployment, at about 1 KiB each. Beyond it everything is
// forgotten, so that names which nobody has cannot fill the memory.
const maxMemo = 4096

func (m *memo[K, V]) get(k K) (V, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, ok := m.m[k]
	return v, ok
}

func (m *memo[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil || len(m.m) >= maxMemo {
		m.m = make(map[K]V)
	}
	m.m[k] = v
}
