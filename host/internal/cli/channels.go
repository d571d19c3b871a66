// channels.go: what host status says of channels.

package cli

import (
	"fmt"
	"strings"

	"github.com/workerhost/workerhost/host/internal/control"
)

// ofChannels says what is kept, and who is there; "" of nothing.
func ofChannels(c *control.Channels) string {
	if c == nil {
		return ""
	}
	var parts []string
	if k := c.Kept; k != nil && k.Messages > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s kept", Counted(int(k.Messages), "message"),
			Counted(int(k.Channels), "channel")))
	}
	if c.Rooms > 0 {
		parts = append(parts, fmt.Sprintf("%s in %s", Counted(c.Members, "member"), Counted(c.Rooms, "room")))
	}
	if c.Returned > 0 {
		parts = append(parts, fmt.Sprintf("%s came back", Counted(int(c.Returned), "client")))
	}
	if c.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of them may have missed something", c.Lost))
	}
	if c.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%s could not be kept", Counted(int(c.Failed), "commit")))
	}
	return strings.Join(parts, ", ")
}
