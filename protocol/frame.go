// The raw frame, SPEC.md §2: a big-endian 32-bit length, then one MessagePack array [type, stream, …].
// Its twin is sdk-php/src/Internal/Frame.php; change both, SPEC.md and a vector in one commit.

package protocol

import (
	"encoding/binary"
	"fmt"
)

// Limits of SPEC.md §1 and §2, in bytes.
const (
	// MaxFrame is the default for the longest payload of a frame.
	MaxFrame = 16 << 20
	// MaxData is the most body bytes that one frame carries, in whichever message.
	MaxData = 64 << 10
	// MaxStray is how much a worker may write before its magic.
	MaxStray = 64 << 10
	// DefaultWindow is the flow-control window that HELLO and READY offer by default.
	DefaultWindow = 256 << 10
	// MaxAhead is how many requests and messages a worker may be handed ahead (SPEC.md §4.5).
	MaxAhead = 8
	// MaxWindow is the largest that a window may grow.
	MaxWindow = 1<<31 - 1

	lengthSize = 4
)

// Magic is the first thing that a worker writes (SPEC.md §1.2).
const Magic = "\x89WHW\r\n\x1a\n"

// Version is the protocol version that this package speaks.
const Version = 1

// Split takes the first frame off buf. It returns the frame's payload, which aliases buf, and the bytes used.
// While buf holds less than a whole frame it returns 0 used and no error. A length of 0 or above max is a
// [*LinkError].
func Split(buf []byte, max int) (payload []byte, used int, err error) {
	if len(buf) < lengthSize {
		return nil, 0, nil
	}
	n := binary.BigEndian.Uint32(buf)
	if n == 0 || uint64(n) > uint64(max) {
		return nil, 0, &LinkError{
			Expected: fmt.Sprintf("a frame of 1 to %d bytes", max),
			Got:      "a length of " + fmt.Sprint(n),
			Section:  "2.1",
			NoFrame:  true,
			Bytes:    clip(buf),
		}
	}
	if uint64(len(buf)-lengthSize) < uint64(n) {
		return nil, 0, nil
	}
	end := lengthSize + int(n)
	return buf[lengthSize:end], end, nil
}

// endFrame fills in the length of the frame that begins at start.
func endFrame(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-lengthSize))
	return b
}
