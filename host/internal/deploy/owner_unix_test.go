//go:build unix

package deploy

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAReleaseBelongsToItsOwnerAndWhatIsAboveItDoesNot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	p := testPlace(t)
	p.Owner = &Owner{UID: 65533, GID: 65534}
	r := begin(t, lock(t, p))
	from := t.TempDir()
	put(t, filepath.Join(from, "var/log/x"), "1")
	put(t, filepath.Join(from, "a/b"), "1")
	if err := r.FromFolder(t.Context(), from, DefaultLimits, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Share([]string{"var/log", "storage/"}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(filepath.Dir(p.Current), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		given := within(path, r.Folder) || within(path, p.Shared()) && path != p.Shared()
		if st := info.Sys().(*syscall.Stat_t); given != (st.Uid == 65533 && st.Gid == 65534) {
			t.Errorf("%s belongs to %d and group %d", path, st.Uid, st.Gid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
