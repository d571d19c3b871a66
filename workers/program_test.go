//go:build linux

package workers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// runTestWorker is the worker's program. Each argument is something that it does differently.
func runTestWorker(manners []string) int {
	from, to := os.Stdin, os.Stdout
	if os.Getenv(process.FramesVariable) != "" {
		syscall.SetNonblock(3, true)
		syscall.SetNonblock(4, true)
		from, to = os.NewFile(3, "frames"), os.NewFile(4, "frames")
	}
	for _, m := range manners {
		switch m {
		case "stray":
			to.WriteString("\ufeffPHP Deprecated:  something\n")
		case "fail":
			fmt.Fprintln(os.Stderr, "PHP Parse error:  syntax error, unexpected token \"}\"")
			return 255
		case "deaf":
			signal.Ignore(syscall.SIGTERM)
		}
	}
	conn := protocol.NewConn(from, protocol.Pipe{File: to})
	hello, err := conn.Accept()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conn.Send(&protocol.Ready{Version: 1, PID: os.Getpid(), SDK: "test", Concurrency: 1})
	var r protocol.Request
	var event protocol.Incoming
	for {
		payload, err := conn.Read()
		if err != nil {
			if len(manners) > 0 && manners[0] == "deaf" {
				hangForEver()
			}
			return 0
		}
		switch t, _, _ := protocol.Head(payload); t {
		case protocol.TypeDrain:
			if len(manners) > 0 && manners[0] == "deaf" {
				hangForEver()
			}
			return 0
		case protocol.TypeMessage: // an echo
			if err := event.Parse(payload); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			if string(event.Bytes) == "hang" && event.Attempt < 2 {
				fmt.Println("begun")
				hangForEver()
			}
			conn.Send(&protocol.Send{Stream: event.Stream, Flags: protocol.FlagDone, Bytes: event.Bytes})
		case protocol.TypeRequest:
			if err := r.Parse(payload); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			body := testAnswer(&r, hello, to)
			conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 200,
				Body: body})
		}
	}
}

var greeting = []byte("Hello, World!")

func testAnswer(r *protocol.Request, hello *protocol.Hello, frames *os.File) []byte {
	path, argument, _ := strings.Cut(r.Target, "?")
	switch path {
	case "/pid":
		return strconv.AppendInt(nil, int64(os.Getpid()), 10)
	case "/print":
		fmt.Println("printed to stdout")
		fmt.Fprintln(os.Stderr, "printed to stderr")
		// cat ends at once if stdin is empty
		out, err := exec.Command("sh", "-c", "echo echoed by a child; cat").CombinedOutput()
		fmt.Printf("%s%v\n", out, err)
	case "/garbage":
		frames.WriteString("PHP Warning:  Undefined variable $x\n")
	case "/close":
		frames.Close()
		hangForEver()
	case "/exit":
		os.Exit(3)
	case "/hold": // a child that holds the FIFO, until it is killed
		hold(argument, &syscall.SysProcAttr{}, nil)
	case "/escape": // one that leaves the group, and has the frames
		return []byte(fmt.Sprint(hold(argument, &syscall.SysProcAttr{Setsid: true}, []*os.File{frames})))
	case "/variable":
		return []byte(os.Getenv(process.FramesVariable))
	case "/hang":
		if r.Attempt < 2 {
			fmt.Println("begun")
			hangForEver()
		}
	}
	return greeting
}

// hold starts a child that opens the FIFO, says so there, and keeps it open.
func hold(fifo string, attr *syscall.SysProcAttr, files []*os.File) int {
	c := exec.Command("sh", "-c", `exec 9>"$0"; echo held >&9; exec sleep 60`, fifo)
	c.SysProcAttr, c.ExtraFiles = attr, files
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 0
	}
	return c.Process.Pid
}

// runTestHost has a pool of two workers, each with a child that holds the FIFO named in the environment, and waits to
// be killed.
func runTestHost() int {
	reaper, err := StartReaper([]string{os.Args[0], "reaper"}, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p, err := New(Settings{Command: []string{os.Args[0], "worker"}, Workers: 2, Reaper: reaper})
	if err == nil {
		err = p.Start(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	<-p.Started()
	for range 2 {
		s, _ := submit(p, "GET", "/hold?"+os.Getenv("FIFO"))
		s.result()
	}
	fmt.Println("up")
	hangForEver()
	return 0
}

// hangForEver is select {} that Go's runtime does not take for a deadlock.
func hangForEver() {
	for {
		time.Sleep(time.Hour)
	}
}
