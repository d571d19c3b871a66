// What can never work: a program that the system can't run at all, however often it is tried.

package workers

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// hopelessError is why a program can't be run now, and could not be a moment later either.
type hopelessError struct{ error }

// Unwrap gives the cause.
func (e hopelessError) Unwrap() error { return e.error }

// cantStart explains an error of the system with its remedy.
func cantStart(program string, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		remedy = "it is no program for this system: build it for this one, or give a script a first line such as " +
			"#!/usr/bin/env php"
	case errors.Is(err, fs.ErrNotExist): // it was there when the generation began
		remedy = "the interpreter that its first line or its header names is missing, or it has gone since: install " +
			"what it needs, or correct the path"
	case errors.Is(err, fs.ErrPermission):
		remedy = "chmod +x it and the folders above it for the workers' user, and look whether its file system is " +
			"mounted noexec"
	default:
		return fmt.Errorf("%s can't be started: %w", program, err)
	}
	return hopelessError{fmt.Errorf("%s can't be started: %w; %s", program, err, remedy)}
}

// Hopeless says, once Started is closed, why no worker of a new pool can ever run; it is nil while there is hope, as
// with code that fails as it starts: that may be mended, or wait for a database.
func (p *Pool) Hopeless() error {
	if err := p.hopeless.Load(); err != nil {
		return *err
	}
	return nil
}

// judge notes whether the failed boot of a worker of the first generation leaves any hope. In run.
func (p *Pool) judge(g *generation, err error) {
	var hopeless hopelessError
	if g.number == 1 && errors.As(err, &hopeless) {
		select {
		case <-p.started: // it has had a worker, or another failure
		default:
			p.hopeless.Store(&err)
		}
	}
}
