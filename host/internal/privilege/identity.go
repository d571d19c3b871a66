// Package privilege makes a process less than the host is: another user, other limits, a view of some folders only, a
// temporary folder of its own.
//
// A process that changes its user, its umask or its limits has to do so itself, between the fork and the program. So
// the host starts its own binary in place of the worker, with a [Plan] in the environment; [Become] carries the plan
// out there and executes the program, which keeps process and pipes.
//
// identity.go finds users and groups; plan.go is what is handed over; become_unix.go does it; confine_linux.go knows
// Landlock; folder.go has the private folders.
package privilege

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
)

// Identity is whom a process runs as.
type Identity struct {
	User   string `json:"user,omitempty"`  // by name, or by number where it has no name; "" if the user stays
	Group  string `json:"group,omitempty"` // as it was asked for, if it was
	UID    int    `json:"uid"`             // -1: the user stays
	GID    int    `json:"gid"`
	Groups []int  `json:"groups"` // all of them, GID included
	Home   string `json:"-"`      // "" if it is not known
}

// String names the user, or the group alone.
func (i *Identity) String() string {
	if i.User == "" {
		return "group " + i.Group
	}
	return i.User
}

// UnknownUser says that there is no such user.
type UnknownUser struct{ Name string }

// Error gives the remedy.
func (u *UnknownUser) Error() string {
	return fmt.Sprintf("there is no user %q: create it (useradd --system %[1]s), or name another", u.Name)
}

// UnknownGroup says that there is no such group.
type UnknownGroup struct{ Name string }

// Error gives the remedy.
func (g *UnknownGroup) Error() string {
	return fmt.Sprintf("there is no group %q: create it (groupadd --system %[1]s), or name another", g.Name)
}

// needsRoot is the remedy for a change that is not permitted.
const needsRoot = "only root, or a host with CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_KILL and CAP_DAC_OVERRIDE, can " +
	"run workers as another user: run the host as root, or remove user and group"

// ErrNoGroup says that a number that belongs to no user was given without a group.
var ErrNoGroup = errors.New("no user has this number, so that its group is not known: give group, too")

// Find looks up a user and a group, by name or number. Without a group it is the user's own; either may be empty. The
// supplementary groups are the user's. A number that no user or group has is taken as it is. The errors are
// [*UnknownUser], [*UnknownGroup], [ErrNoGroup], or the system's.
func Find(userName, groupName string) (*Identity, error) {
	found := &Identity{UID: -1, GID: -1, Group: groupName}
	if groupName != "" {
		gid, err := findGroup(groupName)
		if err != nil {
			return nil, err
		}
		found.GID = gid
	}
	if userName != "" {
		if err := found.findUser(userName); err != nil {
			return nil, err
		}
	}
	if !slices.Contains(found.Groups, found.GID) {
		found.Groups = append([]int{found.GID}, found.Groups...)
	}
	return found, nil
}

func (i *Identity) findUser(name string) error {
	u, err := user.Lookup(name)
	if number, isNumber := strconv.Atoi(name); err != nil && isNumber == nil && number >= 0 {
		if u, err = user.LookupId(name); err != nil {
			if i.GID < 0 {
				return ErrNoGroup
			}
			i.User, i.UID = name, number
			return nil
		}
	}
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		return &UnknownUser{name}
	}
	if err != nil {
		return err
	}
	i.User, i.Home = u.Username, u.HomeDir
	if i.UID, err = strconv.Atoi(u.Uid); err != nil {
		return fmt.Errorf("the user %s has no number: %w", name, err)
	}
	if i.GID < 0 {
		if i.GID, err = strconv.Atoi(u.Gid); err != nil {
			return fmt.Errorf("the group of %s has no number: %w", name, err)
		}
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("the groups of %s can't be found: %w", name, err)
	}
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			i.Groups = append(i.Groups, gid)
		}
	}
	return nil
}

func findGroup(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if number, isNumber := strconv.Atoi(name); err != nil && isNumber == nil && number >= 0 {
		return number, nil
	}
	if err != nil {
		return 0, &UnknownGroup{name}
	}
	return strconv.Atoi(g.Gid)
}
