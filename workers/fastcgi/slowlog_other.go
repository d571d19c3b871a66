//go:build !unix

// There is no php-fpm here.

package fastcgi

import (
	"errors"
	"os"
)

func makePipe(string) (*os.File, error) { return nil, errors.ErrUnsupported }
