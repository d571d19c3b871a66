// clients_frames_linux.go is what clients say and understand: as much of WebSocket as short messages need, or lines.

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const mask = "mask"

// frame is a text as a client sends it.
func (l *loop) frame(text string) []byte {
	if l.spec.Network != websocket {
		return []byte(text + "\n")
	}
	return clientFrame(1, text)
}

// clientFrame is for short texts.
func clientFrame(opcode byte, text string) []byte {
	b := append([]byte{0x80 | opcode, 0x80 | byte(len(text))}, mask...)
	for i := range len(text) {
		b = append(b, text[i]^mask[i%4])
	}
	return b
}

// split takes the whole messages from what has come, and keeps the rest. They are valid until the next read.
func (l *loop) split(c *caller, p []byte, messages [][]byte) ([][]byte, error) {
	if l.spec.Network == held { // heartbeats
		return messages, nil
	}
	if len(c.rest) > 0 {
		p = append(c.rest, p...)
		c.rest = nil
	}
	for len(p) > 0 {
		if l.spec.Network != websocket {
			line, rest, whole := bytes.Cut(p, []byte{'\n'})
			if !whole {
				break
			}
			messages, p = append(messages, line), rest
			continue
		}
		head, size := 2, 0
		if len(p) >= 2 {
			if p[1] > 126 || p[0]&0x80 == 0 {
				return nil, fmt.Errorf("a frame that is masked, cut or huge: % x", p[:2])
			}
			size = int(p[1])
			if size == 126 && len(p) >= 4 {
				head, size = 4, int(binary.BigEndian.Uint16(p[2:]))
			}
		}
		if len(p) < 2 || p[1] == 126 && head == 2 || len(p) < head+size {
			break
		}
		body := p[head : head+size]
		switch opcode := p[0] & 15; {
		case opcode == 9:
			if err := write(c.fd, clientFrame(10, string(body))); err != nil {
				return nil, err
			}
		case opcode == 8:
			return nil, fmt.Errorf("the server closes: %q", body)
		case opcode < 3:
			messages = append(messages, body)
		}
		p = p[head+size:]
	}
	c.rest = append(c.rest, p...)
	return messages, nil
}
