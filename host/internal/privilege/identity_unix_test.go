//go:build unix

package privilege

import (
	"errors"
	"os/user"
	"slices"
	"strconv"
	"testing"
)

func TestUsersAndGroupsAreFoundByNameAndNumber(t *testing.T) {
	root, err := Find("root", "")
	if err != nil || root.UID != 0 || root.GID != 0 || root.User != "root" || root.Home == "" ||
		!slices.Contains(root.Groups, 0) {
		t.Errorf("root: %+v, %v", root, err)
	}
	if same, err := Find("0", ""); err != nil || same.UID != 0 || same.User != "root" {
		t.Errorf("0: %+v, %v", same, err)
	}
	if number, err := Find("3999999", "3999998"); err != nil || number.UID != 3999999 || number.GID != 3999998 ||
		!slices.Equal(number.Groups, []int{3999998}) {
		t.Errorf("numbers alone: %+v, %v", number, err)
	}
	group, err := user.LookupGroupId("0")
	if err != nil {
		t.Fatal(err)
	}
	if only, err := Find("", group.Name); err != nil || only.UID != -1 || only.GID != 0 ||
		only.String() != "group "+group.Name {
		t.Errorf("a group alone: %+v, %v", only, err)
	}
	var noUser *UnknownUser
	if _, err := Find("no-such-user", ""); !errors.As(err, &noUser) {
		t.Errorf("no-such-user: %v", err)
	}
	var noGroup *UnknownGroup
	if _, err := Find("root", "no-such-group"); !errors.As(err, &noGroup) {
		t.Errorf("no-such-group: %v", err)
	}
	if _, err := Find("3999999", ""); !errors.Is(err, ErrNoGroup) {
		t.Errorf("a number without a group: %v", err)
	}
}

func TestOneIsOnesOwnIdentity(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	gid, _ := strconv.Atoi(me.Gid)
	identity, err := Find(me.Uid, me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if identity.GID != gid || identity.String() != me.Username {
		t.Errorf("%+v", identity)
	}
}
