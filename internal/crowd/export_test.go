package crowd

// Kept is how many callers are kept, and how many calls are under way.
func (c *Crowd) Kept() (callers, under int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.by), c.all
}
