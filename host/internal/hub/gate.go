// The gate: what changes the hub passes it, so that a hand-over finds a moment in which nothing changes.

package hub

import (
	"sync"
	"sync/atomic"
)

// stage is where a hub is in its own life, of which most see only the first.
type stage uint8

const (
	keeping stage = iota // it keeps its connections
	frozen               // nothing changes: what would wait is held
	handed               // another host's hub keeps them, and is asked in this one's place
)

// gate is passed by commits, and by events that finish. It has no lock that those need.
type gate struct {
	inside atomic.Int64 // how many have passed and not left yet
	shut   atomic.Bool  // stage is not keeping

	mu sync.Mutex
	// guarded by mu
	stage stage
	held  []func()      // what comes once it is decided who keeps the connections, in order
	stir  chan struct{} // closed when something has come to rest; nil unless freezing waits for that
	heir  Heir          // once handed
}

// pass lets somebody in, who calls leave. It says false if the hub is not keeping: then hold or heir say what to do.
func (g *gate) pass() bool {
	g.inside.Add(1)
	if !g.shut.Load() {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.inside.Add(-1) == 0 && g.shut.Load() {
		g.rouse()
	}
}

// rouse has whoever freezes look again.
func (g *gate) rouse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stir != nil {
		close(g.stir)
		g.stir = nil
	}
}

// stirs is closed when something comes to rest from now on.
func (g *gate) stirs() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stir == nil {
		g.stir = make(chan struct{})
	}
	return g.stir
}

// hold keeps f until the hub is frozen no more, and says false if it is not.
func (g *gate) hold(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stage == frozen {
		g.held = append(g.held, f)
		return true
	}
	return false
}

// successor is who keeps the connections; nil if that is this hub.
func (g *gate) successor() Heir {
	if !g.shut.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heir
}

// freeze says false if the hub was frozen, or is handed, already.
func (g *gate) freeze() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stage != keeping {
		return false
	}
	g.stage = frozen
	g.shut.Store(true)
	return true
}

// name says who is to have what is let go from now on, before open says that all is.
func (g *gate) name(heir Heir) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heir = heir
}

// open ends the freeze, and gives what was held. heir is nil if the hub goes on as before.
func (g *gate) open(heir Heir) (held []func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stage, g.heir = keeping, heir
	if heir != nil {
		g.stage = handed
	}
	g.shut.Store(heir != nil)
	held, g.held = g.held, nil
	return held
}
