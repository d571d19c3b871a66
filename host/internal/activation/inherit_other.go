//go:build !unix

// Systems where no service manager passes sockets.

package activation

import (
	"errors"
	"os"
)

// Inherit is nothing here: no service manager passes sockets.
func Inherit() (*Sockets, error) { return nil, nil }

// Open is not for this system.
func Open(string, *os.File) (*Socket, error) { return nil, errors.ErrUnsupported }

func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
