// Package gate runs the commands that a reload has to pass, and those of cron: to their end, with a time-out, each in
// a process group of its own that does not outlive it, nor the host. It knows no reload, no clock, and nobody who
// follows.
package gate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/workerhost/workerhost/workers"
)

// Command is what is run.
type Command struct {
	workers.Launch
	Timeout     time.Duration // for all of it
	StopTimeout time.Duration // from TERM to KILL, when it has passed or somebody gives the command up
	Said        func(string)  // gets each line of its output, as it comes; a long one in pieces
	// Read, if not nil, takes the output to its end in place of Said
	Read func(io.Reader)
}

const (
	// longestPiece is how much of a line comes at once, in bytes.
	longestPiece = 4 << 10
	// mostOutput is how much is told of what a command prints; the rest is counted.
	mostOutput = 64 << 10
	// patience is for output that a process which has left the group still holds open.
	patience = time.Second
)

// Run runs the command to its end, and returns nil if it exits with 0. When ctx ends, or the time-out, its process
// group is ended, and the error is the cause of that. All of the output has been told when it returns.
func (c Command) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("it did not end within %v", c.Timeout))
	defer cancel()
	p, err := c.Start()
	if err != nil {
		return err
	}
	defer p.Close()
	told := make(chan struct{})
	go func() { // ends with the output, at the latest when that expires
		defer close(told)
		if c.Read != nil {
			c.Read(p.Stderr())
			return
		}
		tell(p.Stderr(), c.Said)
	}()
	ended := make(chan string, 1)
	go func() { ended <- p.Wait() }() // ends with the process, which is killed if it goes on
	how := ""
	select {
	case how = <-ended:
	case <-ctx.Done():
		p.Terminate()
		select {
		case <-ended:
		case <-time.After(c.StopTimeout):
			p.Kill()
			<-ended
		}
	}
	p.Expire(time.Now().Add(patience))
	<-told
	switch {
	case how == "":
		return context.Cause(ctx)
	case how != "exit status 0":
		return errors.New("it ended with " + how)
	}
	return nil
}

// tell reads the output to its end.
func tell(from io.Reader, said func(string)) {
	in := bufio.NewReaderSize(from, longestPiece)
	left, dropped := mostOutput, 0
	for {
		piece, err := in.ReadSlice('\n')
		if left -= len(piece); left < 0 {
			dropped += len(piece)
		} else if len(piece) > 0 {
			said(strings.TrimRight(string(piece), "\r\n"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	if dropped > 0 {
		said(fmt.Sprintf("(and %d bytes more)", dropped))
	}
}
