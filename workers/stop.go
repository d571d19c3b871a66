// Stopping a pool: refuse, let the queue and the requests in flight finish, drain, stop, and kill what is left.

package workers

import (
	"context"
	"sync"
	"time"

	"github.com/workerhost/workerhost/workers/internal/wait"
)

// Stop ends the pool gracefully: no exchange is taken any more, those in the queue and in flight get DrainTimeout each
// to finish, then every worker is stopped. When ctx ends the rest is killed at once. It returns when the last process
// has gone and all acts are settled, of which those have failed that the hub has not confirmed by then, and names the
// requests that were cut; a second call waits for the first, and names none.
func (p *Pool) Stop(ctx context.Context) (cut []string) {
	p.dispatch.refuse()
	p.cancel()
	p.startOnce.Do(func() { // it never ran, and never will
		p.dispatch.close()
		p.acquaint()
		close(p.started)
		close(p.ended)
	})
	first, patience, rest := false, time.Duration(0), time.Duration(0)
	p.do(func() {
		first = !p.stopping
		p.stopping = true
		p.acquaint()
		patience, rest = p.generation.settings.DrainTimeout, p.generation.settings.StopTimeout
		for _, s := range p.slots {
			s.endBackOff()
		}
		if p.growth.idle != nil {
			p.growth.idle.Stop()
		}
		if len(p.live) == 0 {
			p.dispatch.close()
			p.markStarted()
		}
	})
	if !first {
		<-p.ended
		return nil
	}
	watched := make(chan struct{})
	defer close(watched)
	go func() {
		select {
		case <-ctx.Done():
			p.dispatch.close()
			p.killAll()
		case <-watched:
		}
	}()
	wait.Within(p.dispatch.emptied, patience)
	p.dispatch.close()
	until := time.Now().Add(patience)
	cut = p.retireAll()
	p.tasks.Wait()
	p.promised.settleAll(ctx, max(time.Until(until), rest))
	p.inbox <- nil
	<-p.ended
	return cut
}

func (p *Pool) workers() (all []*worker) {
	p.do(func() {
		for w := range p.live {
			all = append(all, w)
		}
	})
	return all
}

func (p *Pool) retireAll() (cut []string) {
	var all sync.WaitGroup
	var mu sync.Mutex // guards cut
	for _, w := range p.workers() {
		all.Go(func() {
			if w.isReady() {
				_, names := p.retire(w)
				mu.Lock()
				cut = append(cut, names...)
				mu.Unlock()
			} else {
				w.kill(ErrStopping.Error())
				<-w.end.gone
			}
		})
	}
	all.Wait()
	return cut
}

func (p *Pool) killAll() {
	for _, w := range p.workers() {
		w.kill(ErrStopping.Error())
	}
}
