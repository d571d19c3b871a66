// tree.go: the code of a program as it was at a moment, by which is known later what of it is new.

package watch

import (
	"context"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Tree is the files of some folders, by their content. It never changes.
type Tree struct {
	roots []string // resolved
	files map[place]content
}

// place is where a file is: root is the index of its folder. So a release is compared with the one before it.
type place struct {
	root int
	path string // relative to root
}

type content struct {
	stamp
	sum uint64
}

// mostFiles bounds what a tree costs, should the folder be no program's: a home, for example. It is about 100 bytes a
// file.
const mostFiles = 50_000

// seed makes sums of this process comparable with each other, and with no others.
var seed = maphash.MakeSeed()

// Take looks at the files of the folders that the filter has count, symlinks resolved in the folders' paths alone.
// Those that before, which may be nil, had in the same folder with the same time and size are as they were; others are
// read. It fails with ctx, or if there are too many files.
func Take(ctx context.Context, folders []string, f Filter, before *Tree) (*Tree, error) {
	t := &Tree{files: map[place]content{}}
	var unread []place
	for i, folder := range folders {
		root := Resolve(folder)
		if resolved, err := filepath.EvalSymlinks(folder); err == nil {
			root = resolved
		}
		t.roots = append(t.roots, root)
		same := before != nil && i < len(before.roots) && before.roots[i] == root
		err := walk(f, root, root, func(path string, e fs.DirEntry) error {
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() {
				return ctx.Err()
			}
			at := place{i, strings.TrimPrefix(path[len(root):], string(filepath.Separator))}
			now := content{stamp: stamp{info.ModTime(), info.Size()}}
			if old, known := before.at(at); same && known && old.stamp == now.stamp {
				now.sum = old.sum
			} else {
				unread = append(unread, at)
			}
			if t.files[at] = now; len(t.files) > mostFiles {
				return fmt.Errorf("%s has more than %d files of code", root, mostFiles)
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return t, t.read(ctx, unread)
}

func (t *Tree) at(p place) (content, bool) {
	if t == nil {
		return content{}, false
	}
	c, known := t.files[p]
	return c, known
}

func (t *Tree) name(p place) string { return filepath.Join(t.roots[p.root], p.path) }

// read sums the files up. One that can't be read counts as empty: PHP will say what is wrong with it.
func (t *Tree) read(ctx context.Context, unread []place) error {
	sums := make([]uint64, len(unread))
	var all sync.WaitGroup
	share := (len(unread) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	for from := 0; from < len(unread); from += share {
		all.Go(func() {
			for i := from; i < min(from+share, len(unread)) && ctx.Err() == nil; i++ {
				data, _ := os.ReadFile(t.name(unread[i]))
				sums[i] = maphash.Bytes(seed, data)
			}
		})
	}
	all.Wait()
	for i, p := range unread {
		c := t.files[p]
		c.sum = sums[i]
		t.files[p] = c
	}
	return ctx.Err()
}

// Changed are the paths of the files whose content before did not have at their place, sorted, those of packages last.
func (t *Tree) Changed(before *Tree) []string {
	places := slices.Collect(maps.Keys(t.files))
	places = slices.DeleteFunc(places, func(p place) bool {
		old, known := before.at(p)
		return known && old.sum == t.files[p].sum
	})
	var own, packaged []string
	for _, p := range places {
		if strings.Contains("/"+filepath.ToSlash(p.path), "/vendor/") {
			packaged = append(packaged, t.name(p))
		} else {
			own = append(own, t.name(p))
		}
	}
	slices.Sort(own)
	slices.Sort(packaged)
	return append(own, packaged...)
}
