// archive.go fills a release from a .tar, .tar.gz or .zip.

package deploy

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// archives are how the names of archives end.
var archives = []string{".tar.gz", ".tgz", ".tar", ".zip"}

// IsArchive says whether a name is that of an archive that can be unpacked.
func IsArchive(name string) bool {
	for _, end := range archives {
		if strings.HasSuffix(strings.ToLower(name), end) {
			return true
		}
	}
	return false
}

// FromArchive unpacks an archive into the release. What it is, its first bytes say, and not its name. skip says what
// not to take over.
func (r *Release) FromArchive(ctx context.Context, path string, limits Limits, skip func(string) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := r.fill(limits, skip, func(t *tree) error { return t.unpack(ctx, file) }); err != nil {
		return fmt.Errorf("%s can't be unpacked: %w", path, err)
	}
	return nil
}

func (t *tree) unpack(ctx context.Context, file *os.File) error {
	in := bufio.NewReaderSize(&heeding{ctx, file}, 1<<16)
	head, err := in.Peek(262)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		plain, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		return t.untar(plain)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		info, err := file.Stat()
		if err != nil {
			return err
		}
		return t.unzip(ctx, file, info.Size())
	case len(head) == 262 && bytes.Equal(head[257:262], []byte("ustar")):
		return t.untar(in)
	}
	return errors.New("it is no .tar.gz, .tar or .zip")
}

// heeding is a reader that ends with a context.
type heeding struct {
	ctx  context.Context
	from io.Reader
}

func (h *heeding) Read(b []byte) (int, error) {
	if err := context.Cause(h.ctx); err != nil {
		return 0, err
	}
	return h.from.Read(b)
}

// otherKinds are what an archive can have and a release can't.
var otherKinds = map[byte]string{tar.TypeChar: "a device", tar.TypeBlock: "a device", tar.TypeFifo: "a named pipe"}

func (t *tree) untar(from io.Reader) error {
	in := tar.NewReader(from)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		mode := fs.FileMode(h.Mode & 0o777)
		switch h.Typeflag {
		case tar.TypeReg:
			err = t.file(h.Name, mode, h.Size, h.ModTime, in)
		case tar.TypeDir:
			err = t.folder(h.Name, mode)
		case tar.TypeSymlink:
			err = t.link(h.Name, h.Linkname)
		case tar.TypeLink:
			err = t.hardLink(h.Name, h.Linkname)
		case tar.TypeXGlobalHeader: // git writes the commit there
		default:
			what := otherKinds[h.Typeflag]
			if what == "" {
				what = fmt.Sprintf("of the kind %q", h.Typeflag)
			}
			err = refused(h.Name, what)
		}
		if err != nil {
			return err
		}
	}
}

func (t *tree) unzip(ctx context.Context, file io.ReaderAt, size int64) error {
	in, err := zip.NewReader(file, size)
	if err != nil {
		return err
	}
	if len(in.File) > t.left.Files {
		return fmt.Errorf("it %w: it has %d files", errTooMuch, len(in.File))
	}
	for _, f := range in.File {
		if err := t.unzipOne(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) unzipOne(ctx context.Context, f *zip.File) error {
	info := f.FileInfo()
	if info.IsDir() {
		return t.folder(f.Name, info.Mode())
	}
	kind := info.Mode().Type()
	if kind != 0 && kind != fs.ModeSymlink {
		return refused(f.Name, "neither file, folder nor symlink")
	}
	plain, err := f.Open()
	if err != nil {
		return err
	}
	defer plain.Close()
	from := &heeding{ctx, plain}
	if kind == fs.ModeSymlink {
		target, err := io.ReadAll(io.LimitReader(from, longestTarget+1))
		if err != nil {
			return err
		}
		return t.link(f.Name, string(target))
	}
	if f.UncompressedSize64 > uint64(t.left.Bytes) {
		return fmt.Errorf("it %w: %q has %d bytes more", errTooMuch, f.Name, f.UncompressedSize64)
	}
	return t.file(f.Name, info.Mode(), int64(f.UncompressedSize64), f.Modified, from)
}
