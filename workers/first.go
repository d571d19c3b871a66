// The first worker of a generation boots alone: what it compiles for all, such as a framework's container, the others
// find compiled, and code that does not boot is started once, not in every slot.

package workers

import "slices"

// noteBooted is for a worker that was admitted. In run.
func (g *generation) noteBooted() {
	if !g.isBooted() {
		close(g.booted)
	}
}

// isBooted says whether a worker of g has ever been admitted.
func (g *generation) isBooted() bool {
	select {
	case <-g.booted:
		return true
	default:
		return false
	}
}

// waits says whether another slot is to have the first worker of this one's generation: it has one that starts, or
// backs off until it tries again. In run.
func (p *Pool) waits(s *slot) bool {
	return !s.gen.isBooted() && slices.ContainsFunc(p.slots, func(other *slot) bool {
		return other != s && other.gen == s.gen && (other.current != nil || other.timer != nil)
	})
}

// fillAll is called when slots may have no more to wait for: a first worker is ready, or its slot is of another
// generation now, or none. In run.
func (p *Pool) fillAll() {
	for _, s := range p.slots {
		p.fill(s)
	}
}

// vacancy is the state of a slot that has no worker. In run.
func (p *Pool) vacancy(s *slot) State {
	if s.timer == nil && slices.ContainsFunc(p.slots, func(other *slot) bool {
		return !other.gen.isBooted() && other.gen == s.gen && other.current != nil
	}) {
		return Starting
	}
	return BackingOff
}
