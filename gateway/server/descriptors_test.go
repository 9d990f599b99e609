//go:build unix

package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// fewDescriptors is the variable that turns the test binary into a gateway with few descriptors.
const fewDescriptors = "SOCKGATE_TEST_FEW_DESCRIPTORS"

// serveWithFewDescriptors serves until stdin ends. It prints its address, each ERROR event, and its totals at the end.
func serveWithFewDescriptors() int {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 30, Max: 30}); err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := server.New(server.Config{Listeners: []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}},
		Handler: handler.Echo{}})
	if err == nil {
		err = s.Listen()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	info := s.Gateway()
	fmt.Println(info.Listeners[0].Address)
	sub, err := s.Subscribe(server.SubscribeRequest{Types: event.Types(0).With(event.Error)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.StartDrain(server.DrainRequest{})
	}()
	printed := make(chan uint64)
	go func() {
		var sum uint64
		for {
			events, err := sub.Next(context.Background(), nil)
			if errors.Is(err, io.EOF) {
				printed <- sum
				return
			}
			for _, e := range events {
				d := e.Detail.(*event.ErrorDetail)
				sum += d.Count
				fmt.Println(d.Operation, d.Listener, d.Count, d.Message)
			}
		}
	}()
	err = s.Serve(context.Background())
	s.Log().Close()
	sum := <-printed
	info = s.Gateway()
	fmt.Println("end", err, info.Totals.AcceptErrors == sum, info.Totals.Refused)
	return 0
}

// A server that runs out of descriptors accepts again as soon as some are free, and reports the lack without a flood.
func TestOutOfDescriptors(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fewDescriptors+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	line := func() string {
		if !lines.Scan() {
			t.Fatalf("the gateway ended: %v", lines.Err())
		}
		return lines.Text()
	}
	addr := line()
	began := time.Now()
	var conns []net.Conn
	for range 40 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(safety)); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if first := line(); !strings.HasPrefix(first, "ACCEPT main 1 ") || !strings.Contains(first, "too many open files") {
		t.Errorf("the first error is %q", first)
	}
	var count int
	if second := line(); !strings.HasPrefix(second, "ACCEPT main ") {
		t.Errorf("the second error is %q", second)
	} else if _, err := fmt.Sscanf(second, "ACCEPT main %d", &count); err != nil || count < 2 {
		t.Errorf("the second error is %q; expected several failures together", second)
	}
	for _, c := range conns[:30] {
		c.Close()
	}
	for _, c := range conns[30:] {
		mustWrite(t, c, []byte("still there?"))
		mustRead(t, c, "still there?")
	}
	stdin.Close()
	reports := 2
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "end") {
		reports++
	}
	if lines.Text() != "end <nil> true 0" {
		t.Errorf("the gateway ended with %q; expected that every accept error was reported", lines.Text())
	}
	if most := int(time.Since(began)/time.Second) + 2; reports > most {
		t.Errorf("%d reports; expected at most %d", reports, most)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
