package tasks

import (
	"context"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// caller is a worker that waits for an answer.
type caller struct {
	ctx     context.Context
	answers chan *protocol.Result
}

func newCaller(t *testing.T) *caller {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return &caller{ctx, make(chan *protocol.Result, 10)}
}

func (c *caller) caller() protocol.Caller { return protocol.NewCaller(c, 2) }

func (c *caller) Reply(_ uint32, r *protocol.Result) { c.answers <- r }

func (c *caller) Waiting(uint32) context.Context { return c.ctx }

func (c *caller) answer(t *testing.T) *protocol.Result {
	t.Helper()
	select {
	case r := <-c.answers:
		return r
	case <-time.After(deadline):
		t.Fatal("there is no answer")
		return nil
	}
}
