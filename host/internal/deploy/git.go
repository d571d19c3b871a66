// git.go fills a release from a commit. git runs without anybody's settings but the repository's own, without its
// hooks, and by root as the user to whom the repository belongs; so what was pushed names no program.

package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/privilege"
	"github.com/workerhost/workerhost/host/internal/redact"
)

// Repository is one of git.
type Repository struct {
	From string // its folder, or its URL
	// Mirror is the folder for a copy of one that is elsewhere
	Mirror string
	// Pushed says that this process is a hook of it: the environment names where its new objects are
	Pushed bool
}

var (
	elsewhere = regexp.MustCompile(`^([a-z][a-z0-9+.-]*://|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:)`)
	commitID  = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// Elsewhere says whether a repository is reached by a URL, such as https://… or git@example.org:….
func Elsewhere(from string) bool { return elsewhere.MatchString(from) }

// folder is where the commits are.
func (g Repository) folder() string {
	if Elsewhere(g.From) {
		return g.Mirror
	}
	return g.From
}

// Fetch brings the branches and tags of a repository that is elsewhere to the mirror. For one that is here there is
// nothing to do.
func (g Repository) Fetch(ctx context.Context) error {
	if !Elsewhere(g.From) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(g.Mirror, "HEAD")); err != nil {
		if err := InitBare(ctx, g.Mirror, "main"); err != nil {
			return err
		}
	}
	cmd := g.command(ctx, "fetch", "--quiet", "--prune", "--force", "--end-of-options", g.From,
		"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	// with the settings of whoever runs this, which may say how to log in there
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=https:http:ssh:git:file")
	if os.Getenv("GIT_SSH_COMMAND") == "" {
		cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes")
	}
	if _, err := output(cmd); err != nil {
		return g.masked(err)
	}
	return nil
}

// Shown is where it is, without a password or a token.
func (g Repository) Shown() string {
	if secret := g.secret(); secret != "" {
		return strings.Replace(g.From, secret, redact.Mask, 1)
	}
	return g.From
}

// secret is the part of a URL that says who asks; "" if there is none, or no secret in it.
func (g Repository) secret() string {
	u, err := url.Parse(g.From)
	if err != nil || u.User == nil {
		return ""
	}
	_, hasPassword := u.User.Password()
	if !hasPassword && u.Scheme != "http" && u.Scheme != "https" { // a user of SSH
		return ""
	}
	_, rest, _ := strings.Cut(g.From, "://")
	authority, _, _ := strings.Cut(rest, "/")
	return authority[:max(0, strings.LastIndexByte(authority, '@'))]
}

// masked is an error of git without the secrets of the URL: it repeats them at times, and the user's name always.
func (g Repository) masked(err error) error {
	secret := g.secret()
	if secret == "" {
		return err
	}
	text := strings.ReplaceAll(err.Error(), secret, redact.Mask)
	user, _, _ := strings.Cut(secret, ":")
	return errors.New(redact.Text(strings.ReplaceAll(text, "//"+user+"@", "//"+redact.Mask+"@")))
}

// InitBare makes a repository for others to push to.
func InitBare(ctx context.Context, folder, branch string) error {
	if err := checkRef(branch); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "git", "init", "--quiet", "--bare", "--initial-branch="+branch, "--end-of-options",
		folder)
	cmd.Env = environ()
	_, err := output(cmd)
	return err
}

// checkRef refuses what git might take for something else than a branch, a tag or a commit.
func checkRef(ref string) error {
	if ref == "" || len(ref) > 255 || strings.HasPrefix(ref, "-") || strings.ContainsFunc(ref, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`:\*?[`, r)
	}) {
		return fmt.Errorf("%.100q is no branch, tag or commit: an archive ends in .tar.gz, .tgz, .tar or .zip, and a "+
			"folder begins with / or ./", ref)
	}
	return nil
}

// Resolve is the commit that a branch, a tag or the beginning of a commit's id stands for.
func (g Repository) Resolve(ctx context.Context, ref string) (commit string, err error) {
	if err := checkRef(ref); err != nil {
		return "", err
	}
	said, err := output(g.command(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}"))
	if commit = strings.TrimSpace(said); err != nil || !commitID.MatchString(commit) {
		var refused *exec.ExitError
		if errors.As(err, &refused) && refused.ExitCode() == 1 && len(refused.Stderr) == 0 {
			err = errors.New("there is no such branch, tag or commit")
		}
		return "", fmt.Errorf("%s in %s: %w", ref, g.folder(), err)
	}
	return commit, nil
}

// Size is how many bytes the files of a commit have. What has more files or bytes than the limits say is an error: a
// small commit can name one tree any number of times.
func (g Repository) Size(ctx context.Context, commit string, limits Limits) (bytes int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends git, if there is too much
	cmd := g.command(ctx, "ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", commit)
	err = reading(cmd, cancel, func(out io.Reader) error {
		entries := bufio.NewReaderSize(out, 16<<10)
		for files := 0; ; files++ {
			entry, err := entries.ReadSlice(0)
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case errors.Is(err, bufio.ErrBufferFull):
				return errors.New("one of its names is too long")
			case err != nil:
				return err
			case files >= limits.Files:
				return fmt.Errorf("it %w: it has too many files", errTooMuch)
			}
			if fields := strings.Fields(string(entry)); len(fields) > 4 {
				n, _ := strconv.ParseInt(fields[3], 10, 64) // "-" for a submodule
				bytes += n
			}
			if bytes > limits.Bytes {
				return fmt.Errorf("it %w: its files have more than %d bytes", errTooMuch, limits.Bytes)
			}
		}
	})
	if err != nil {
		return 0, fmt.Errorf("the commit %.10s: %w", commit, err)
	}
	return bytes, nil
}

// reading starts git, and has what it gives read. What it says itself is the error, if it fails.
func reading(cmd *exec.Cmd, cancel func(), read func(out io.Reader) error) error {
	var said bytes.Buffer
	cmd.Stderr = &limited{&said, 4 << 10}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return explained(err, "")
	}
	if err = read(out); err != nil {
		cancel()
	}
	if ended := cmd.Wait(); ended != nil && (err == nil || said.Len() > 0) {
		return explained(ended, said.String())
	}
	return err
}

// FromGit takes the files of a commit into the release, and notes the commit in REVISION, if there is no such file.
// What submodules and Git LFS keep elsewhere does not come along.
func (r *Release) FromGit(ctx context.Context, g Repository, commit string, limits Limits,
	skip func(string) bool) error {
	if !commitID.MatchString(commit) {
		return fmt.Errorf("%q is no commit", commit)
	}
	return r.fill(limits, skip, func(t *tree) error {
		if err := t.archived(ctx, g, commit); err != nil || t.fresh(Revision) != nil {
			return err
		}
		return t.file(Revision, 0o644, int64(len(commit)+1), r.began, strings.NewReader(commit+"\n"))
	})
}

// archived unpacks what git archive gives.
func (t *tree) archived(ctx context.Context, g Repository, commit string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends git, if what it gives is not wanted
	cmd := g.command(ctx, "archive", "--format=tar", "--end-of-options", commit)
	err := reading(cmd, cancel, func(out io.Reader) error {
		err := t.untar(bufio.NewReaderSize(&heeding{ctx, out}, 1<<16))
		if err == nil {
			_, err = io.Copy(io.Discard, out) // the padding of the archive
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("the commit %.10s can't be taken over: %w", commit, err)
	}
	return nil
}

// Revision is the file of a release that has its commit.
const Revision = "REVISION"

// command is git, at work in the repository.
func (g Repository) command(ctx context.Context, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "core.hooksPath=/dev/null", "-c",
		"core.fsmonitor=false", "-c", "tar.umask=0022"}, arguments...)...)
	cmd.Dir = g.folder()
	cmd.Env = environ()
	if g.Pushed {
		for _, name := range []string{"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
			"GIT_QUARANTINE_PATH"} {
			if value, ok := os.LookupEnv(name); ok {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
		}
	}
	if owner, err := privilege.OwnerOf(cmd.Dir); os.Geteuid() == 0 && err == nil && owner != nil && owner.UID != 0 {
		privilege.RunAs(cmd, owner)
	}
	return cmd
}

// environ is what git needs.
func environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0"}
}

// output runs git, and gives what it printed.
func output(cmd *exec.Cmd) (string, error) {
	said, err := cmd.Output()
	if err != nil {
		var refused *exec.ExitError
		if errors.As(err, &refused) {
			return string(said), explained(err, string(refused.Stderr))
		}
		return "", explained(err, "")
	}
	return string(said), nil
}

// explained is an error of git with what it said of it.
func explained(err error, said string) error {
	switch said = strings.TrimSpace(said); {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("there is no git in $PATH: install it, or deploy a folder or an archive")
	case said != "":
		return fmt.Errorf("git: %w: %s", err, said)
	}
	return fmt.Errorf("git: %w", err)
}

// limited passes the first bytes on, and takes the rest.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	if _, err := l.to.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}
