// Package peertest is what tests of long-lived connections share: frames as a client sends them, and what a write to a
// client that takes little has to do.
package peertest

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// Pattern is n bytes of which neighbours differ.
func Pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i)
	}
	return b
}

// Digest tells p from others in a test's message.
func Digest(p []byte) string { return fmt.Sprintf("%x", sha256.Sum256(p)) }

// Frame is a frame as a client sends it (RFC 6455 §5.2). first is its first byte.
func Frame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, mask[:]...)
	from := len(b)
	b = append(b, payload...)
	ws.Cipher(b[from:], mask, 0)
	return b
}

// Text is a whole message of text.
func Text(s string) []byte { return Frame(0x81, []byte(s)) }

// Close is a close frame.
func Close(code int, reason string) []byte {
	return Frame(0x88, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

// Squeeze compresses a message as permessage-deflate does (RFC 7692 §7.2.1).
func Squeeze(data []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	w.Write(data)
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// Writer is a way in which bytes go to a client, with a write time-out.
type Writer func(to net.Conn, p []byte, timeout time.Duration) error

// WriteTimesOut tests that a write fails when the peer has taken nothing for the time-out, and not before.
func WriteTimesOut(t *testing.T, write Writer) {
	const timeout = 30 * time.Second
	for _, pause := range []time.Duration{0, time.Second, timeout - time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			defer theirs.Close()
			var last time.Time
			took := make(chan struct{})
			go func() {
				defer close(took)
				for range 5 {
					time.Sleep(pause)
					theirs.Read(make([]byte, 1))
					last = time.Now()
				}
			}()
			err := write(ours, make([]byte, 100), timeout)
			<-took
			waited := time.Since(last)
			if !errors.Is(err, os.ErrDeadlineExceeded) || waited < timeout || waited > timeout+timeout/8 {
				t.Errorf("a byte each %v: %v after %v without any", pause, err, waited)
			}
		})
	}
}

// WriteGoesOn tests that a write may take as long as the peer takes something within the time-out.
func WriteGoesOn(t *testing.T, write Writer) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() {
			for range 100 {
				time.Sleep(29 * time.Second)
				theirs.Read(make([]byte, 1))
			}
		}()
		if err := write(ours, make([]byte, 100), 30*time.Second); err != nil {
			t.Error(err)
		}
	})
}
