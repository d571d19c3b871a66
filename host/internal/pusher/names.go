// Names: of channels, of the groups that they are, and of sockets.

package pusher

import (
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"
)

// kind is what a channel's name says of it.
type kind int

const (
	none      kind = iota // no channel has such a name
	public                // anybody may listen
	private               // whoever shows a signature
	encrypted             // likewise, and what is said there is not for the host to read
	presence              // likewise, and all know who is there
	personal              // a user's own, once it has signed in
)

const (
	maxChannel = 200 // characters of a channel's name
	maxEvent   = 200 // of an event's
	maxUser    = 128 // bytes of a user's id
)

// server is what the name of a user's own channel begins with.
const server = "#server-to-user-"

// kindOf says what a channel of that name is.
func kindOf(channel string) kind {
	if user, is := strings.CutPrefix(channel, server); is {
		if user == "" || len(user) > maxUser {
			return none
		}
		return personal
	}
	if channel == "" || len(channel) > maxChannel {
		return none
	}
	for i := range len(channel) {
		switch c := channel[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_-=@,.;", c) >= 0:
		default:
			return none
		}
	}
	switch {
	case strings.HasPrefix(channel, "private-encrypted-"):
		return encrypted
	case strings.HasPrefix(channel, "private-"):
		return private
	case strings.HasPrefix(channel, "presence-"):
		return presence
	}
	return public
}

// signed says whether a subscription needs a signature.
func (k kind) signed() bool { return k == private || k == encrypted || k == presence }

// root is the group of all clients.
func (a *App) root() string { return "pusher:" + a.name }

// group is that of a channel, or the user id of a user.
func (a *App) group(channel string) string { return a.root() + ":" + channel }

// groupOf is that of a user's connections in a channel with presence. No channel's name has this character inside.
func (a *App) groupOf(channel, user string) string { return a.group(channel) + "#" + user }

// channelOf finds the channel of a group, and the user if the group is one's in there.
func (a *App) channelOf(group string) (channel, user string, ok bool) {
	channel, ok = strings.CutPrefix(group, a.root()+":")
	if !ok || channel == "" || channel[0] == '#' {
		return channel, "", ok && channel != ""
	}
	channel, user, _ = strings.Cut(channel, "#")
	return channel, user, true
}

// letters are those of the first part of a connection's id.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// idLetters is how many there are.
const idLetters = 8

// socketOf is a connection's id as Pusher writes it: two numbers with a dot between them.
func socketOf(id string) (socket string, ok bool) {
	first, second, ok := strings.Cut(id, "-")
	if !ok || len(first) != idLetters {
		return "", false
	}
	var high [8]byte
	if n, err := letters.Decode(high[3:], []byte(first)); n != 5 || err != nil {
		return "", false
	}
	low, err := strconv.ParseUint(second, 36, 64)
	if err != nil {
		return "", false
	}
	return strconv.FormatUint(binary.BigEndian.Uint64(high[:]), 10) + "." + strconv.FormatUint(low, 10), true
}

// idOf is what socketOf has made a socket's id of.
func idOf(socket string) (id string, ok bool) {
	first, second, ok := strings.Cut(socket, ".")
	if !ok {
		return "", false
	}
	high, err := strconv.ParseUint(first, 10, 40)
	if err != nil {
		return "", false
	}
	low, err := strconv.ParseUint(second, 10, 64)
	if err != nil {
		return "", false
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], high)
	return letters.EncodeToString(b[3:]) + "-" + strconv.FormatUint(low, 36), true
}
