// socketfile.go looks at who may connect to a listener's unix socket.

package config

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

// SocketFile is whose the file of a unix socket is, and its permissions.
type SocketFile struct {
	Mode  string `key:"mode" holds:"octal digits" absent:"by the umask, or \"0660\" with user or group" means:"permissions of a unix socket: whoever may write connects"`
	User  string `key:"user" absent:"the host's" means:"user that a unix socket belongs to, by name or number; the host has to be root"`
	Group string `key:"group" absent:"the host's" means:"group that a unix socket belongs to, by name or number, such as that of the server in front"`

	mode     fs.FileMode
	uid, gid int // of User and Group
}

// Access is what the file of the socket is to have; a mode of 0 leaves it as it was made, and so does an id of -1.
func (s *SocketFile) Access() (mode fs.FileMode, uid, gid int) {
	uid, gid = -1, -1
	if s.User != "" {
		uid = s.uid
	}
	if s.Group != "" {
		gid = s.gid
	}
	return s.mode, uid, gid
}

// checkSocketFile looks at the keys of a listener that are for unix sockets alone.
func (l *Listen) checkSocketFile(c *Config, fail fail) {
	s := &l.SocketFile
	for key, value := range map[string]string{"mode": s.Mode, "user": s.User, "group": s.Group} {
		switch {
		case !c.has(l.place(key)):
		case !strings.HasPrefix(l.Address, unixPrefix):
			fail(l.place(key), "has no effect on an address that is no unix socket: remove it")
		case value == "":
			fail(l.place(key), `expected a value in quotes, found ""`)
		}
	}
	if s.User != "" || s.Group != "" {
		found, err := privilege.Find(s.User, s.Group)
		var noGroup *privilege.UnknownGroup
		switch {
		case err == nil:
			s.uid, s.gid, s.mode = found.UID, found.GID, 0o660
		case errors.Is(err, privilege.ErrNoGroup):
			s.uid, _ = strconv.Atoi(s.User)
			s.mode = 0o660
		case errors.As(err, &noGroup):
			fail(l.place("group"), "%v", err)
		default:
			fail(l.place("user"), "%v", err)
		}
	}
	if s.Mode == "" {
		return
	}
	mode, err := strconv.ParseUint(s.Mode, 8, 12)
	switch {
	case err != nil || mode > 0o777:
		fail(l.place("mode"), "expected octal digits such as \"0660\", found %s", describe(s.Mode))
	case mode&0o222 == 0:
		fail(l.place("mode"), "%s lets nobody in, since connecting to a socket takes write permission: write "+
			"\"0660\", or \"0666\" for everybody", s.Mode)
	default:
		s.mode = fs.FileMode(mode)
	}
}
