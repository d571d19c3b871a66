// Package profile takes profiles of the process that it is in, as pprof reads them: for a worker that is asked for
// one (SPEC.md §8.6), and for the host itself.
package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ErrUnknown is about a kind of profile that this process does not have.
var ErrUnknown = errors.New("there is no such profile")

// Take gives a profile of one of [protocol.ProfileKinds]. That of the processors lasts so long, or until early is
// closed, if that comes first: it has what there is by then. That of the heap begins with a garbage collection, and
// tells what is in use since. It fails with the cause of ctx once that ends; if the program takes a profile of the
// processors already, of which there is one at a time; and with [ErrUnknown]. It may be called from many goroutines.
func Take(ctx context.Context, kind string, lasts time.Duration, early <-chan struct{}) ([]byte, error) {
	var b bytes.Buffer
	switch {
	case !slices.Contains(protocol.ProfileKinds, kind):
		return nil, fmt.Errorf("%w as %.50q: there are %s", ErrUnknown, kind,
			strings.Join(protocol.ProfileKinds, ", "))
	case kind == protocol.ProfileCPU:
		if err := pprof.StartCPUProfile(&b); err != nil {
			return nil, fmt.Errorf("this process takes one already: %w", err)
		}
		over := time.NewTimer(lasts)
		select {
		case <-over.C:
		case <-early:
		case <-ctx.Done():
		}
		over.Stop()
		pprof.StopCPUProfile()
	default:
		if kind == protocol.ProfileHeap {
			runtime.GC()
		}
		if err := pprof.Lookup(kind).WriteTo(&b, 0); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if b.Len() > protocol.MaxProfile {
		return nil, fmt.Errorf("it has %d bytes, and may have %d", b.Len(), protocol.MaxProfile)
	}
	return b.Bytes(), nil
}
