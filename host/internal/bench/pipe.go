// pipe.go measures a bare round trip between two processes by pipes: what a worker host can't do without.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// echoPHP sends back what it reads.
const echoPHP = `while (($b = fread(STDIN, 8192)) !== false && $b !== '') { fwrite(STDOUT, $b); }`

const (
	roundTrips  = 10_000
	messageSize = 200 // about a request's frame, and its answer's
)

// pipeRoundTrip returns how long the middle one of many round trips took, in µs.
func pipeRoundTrip(ctx context.Context) (us float64, err error) {
	php, err := exec.LookPath("php")
	if err != nil {
		return 0, errors.New("php is not installed (Debian: apt-get install php-cli, or make setup)")
	}
	theirIn, in, err := blockingPipe()
	if err != nil {
		return 0, err
	}
	out, theirOut, err := blockingPipe()
	if err != nil {
		theirIn.Close()
		in.Close()
		return 0, err
	}
	defer out.Close()
	var wrote bytes.Buffer
	command := exec.Command(php, "-n", "-r", echoPHP)
	command.Stdin, command.Stdout, command.Stderr, command.SysProcAttr = theirIn, theirOut, &wrote, diesWithUs()
	err = command.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		in.Close()
		return 0, err
	}
	defer func() {
		in.Close()
		err = errors.Join(err, command.Wait())
	}()
	message, times := make([]byte, messageSize), make([]float64, 0, roundTrips)
	for range roundTrips {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		began := time.Now()
		if _, err := in.Write(message); err != nil {
			return 0, fmt.Errorf("a round trip by pipes: %w", err)
		}
		for left := messageSize; left > 0; {
			n, err := out.Read(message)
			if err != nil {
				return 0, fmt.Errorf("a round trip by pipes: %w; the other end wrote:\n%s", err, wrote.String())
			}
			left -= n
		}
		times = append(times, micros(time.Since(began)))
	}
	return median(times), nil
}

// blockingPipe is os.Pipe without Go's poller, which would add a switch of goroutines.
func blockingPipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	r.Fd() // makes it blocking
	w.Fd()
	return r, w, nil
}
