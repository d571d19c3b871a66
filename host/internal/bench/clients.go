// clients.go starts clients of long-lived connections, in a process of their own so that what they cost is not the
// server's, and tells them what to do.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// clientsProcess as first argument makes this program the clients that the second one, a crowdSpec, describes.
const clientsProcess = "clients"

// What connections may be. Those that are not for messages say nothing once they have their answer.
const (
	keepAlive = "keep-alive" // HTTP, after an answer
	websocket = "websocket"
	tcp       = "tcp"  // a message is a line
	held      = "held" // a response that does not end
)

// heldPath is where a server that is measured holds its response.
const heldPath = "/held"

// crowdSpec says who connects, and where.
type crowdSpec struct {
	Network string `json:"network"`
	Address string `json:"address"` // host:port
	Path    string `json:"path"`    // websocket's
	Count   int    `json:"count"`
}

// errand is what clients do when they are told to.
type errand struct {
	// Echo: so many messages are under way on each connection, and each that comes back is followed by another.
	Depth  int `json:"depth,omitempty"`
	Millis int `json:"millis,omitempty"`
	// Broadcast: one connection asks for a message to all, so often, each time after all have the one before.
	Broadcasts int `json:"broadcasts,omitempty"`
}

// outcome is what came of an errand; times in µs.
type outcome struct {
	Error    string    `json:"error,omitempty"`
	Messages int64     `json:"messages"` // that came to clients
	Took     float64   `json:"took_us"`
	P50      float64   `json:"p50_us,omitempty"` // from a message to its echo, at depth 1
	P99      float64   `json:"p99_us,omitempty"`
	Last     []float64 `json:"last_us,omitempty"` // from each broadcast to the moment when the last client has read it
}

// The messages. A server that is measured sends back what it gets, and a message that begins with toAll to all of its
// connections.
const (
	toAll       = "all:"
	echoText    = "a message of thirty-two bytes ok"
	messageText = toAll + " what one person says to all of a room, sixty-four bytes it."
)

// crowd is a process of clients that are connected. It belongs to one goroutine.
type crowd struct {
	actor *actor
	in    io.WriteCloser
	out   *bufio.Reader
}

// startCrowd returns when all clients are connected and have had a first message echoed.
func startCrowd(ctx context.Context, s *stage, spec crowdSpec) (*crowd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, clientsProcess, string(text))
	out, writeOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	in, err := command.StdinPipe()
	if err == nil {
		command.Stdout = writeOut
		c := &crowd{in: in, out: bufio.NewReader(out)}
		if c.actor, err = s.start("clients", command); err == nil {
			writeOut.Close()
			if _, err = c.outcome(ctx, time.Duration(spec.Count)*10*time.Millisecond+readyTimeout); err == nil {
				return c, nil
			}
			err = fmt.Errorf("%d clients of %s: %w", spec.Count, spec.Address, errors.Join(err, c.leave()))
		}
	}
	return nil, err
}

// run sends the clients on an errand, and returns what came of it.
func (c *crowd) run(ctx context.Context, e errand) (outcome, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return outcome{}, err
	}
	if _, err := c.in.Write(append(text, '\n')); err != nil {
		return outcome{}, err
	}
	return c.outcome(ctx, time.Duration(e.Millis)*time.Millisecond+time.Duration(e.Broadcasts)*errandTime+readyTimeout)
}

// errandTime is how long clients wait for what should come.
const errandTime = 10 * time.Second

func (c *crowd) outcome(ctx context.Context, timeout time.Duration) (o outcome, err error) {
	line := make(chan []byte, 1)
	go func() { // ends with the process at the latest
		text, _ := c.out.ReadBytes('\n')
		line <- text
	}()
	select {
	case text := <-line:
		if len(text) == 0 {
			return o, fmt.Errorf("the clients ended; they wrote:\n%s", c.actor.lastLines())
		}
		if err := json.Unmarshal(text, &o); err != nil {
			return o, fmt.Errorf("the clients wrote %q: %w", text, err)
		}
		if o.Error != "" {
			return o, errors.New(o.Error)
		}
		return o, nil
	case <-ctx.Done():
		return o, context.Cause(ctx)
	case <-time.After(timeout):
		return o, fmt.Errorf("nothing heard of the clients for %s", timeout)
	}
}

// leave ends the clients.
func (c *crowd) leave() error {
	c.in.Close()
	select {
	case <-c.actor.done:
		return nil
	case <-time.After(endTimeout):
		return c.actor.end()
	}
}
