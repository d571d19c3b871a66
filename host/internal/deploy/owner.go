// owner.go: to whom files belong.

package deploy

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// Owner is a user and a group of the system. Nobody, nil, is given nothing.
type Owner struct{ UID, GID int }

// giveIn gives a name in root, which nothing leads out of, to the owner.
func (o *Owner) giveIn(root *os.Root, name string) error {
	if o == nil {
		return nil
	}
	return root.Lchown(name, o.UID, o.GID)
}

// giveAll gives what is below a name to the owner. A folder comes after all that is in it: from then on the owner may
// put there what must not be given away, such as another name of a file of root's.
func (o *Owner) giveAll(root *os.Root, name string) error {
	if o == nil {
		return nil
	}
	var names []string
	err := fs.WalkDir(root.FS(), name, func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	for _, name := range slices.Backward(names) {
		err = errors.Join(err, o.giveIn(root, name))
	}
	return err
}
