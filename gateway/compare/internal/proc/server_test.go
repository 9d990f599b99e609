package proc

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the program that Start starts: this one, with PinCommand.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == PinCommand {
		cores, err := ParseCores(os.Args[2])
		if err == nil {
			err = Exec(cores, os.Args[3:])
		}
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// script returns a server that is a few lines of shell.
func script(text string) Spec {
	return Spec{Name: "script", Command: []string{"sh", "-c", text}, Expect: map[string]*regexp.Regexp{
		"data": regexp.MustCompile(`^listening (\S+)$`), "control": regexp.MustCompile(`^control (\S+)$`)}}
}

const listens = "echo hello; echo control 127.0.0.1:2; echo listening 127.0.0.1:1; "

func TestServer(t *testing.T) {
	cores, err := Available()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), script(listens+"exec sleep 1000"), cores[:1])
	if err != nil {
		t.Fatal(err)
	}
	if a, b := s.Address("data"), s.Address("control"); a.String() != "127.0.0.1:1" || b.String() != "127.0.0.1:2" {
		t.Errorf("addresses %s and %s", a, b)
	}
	if err := s.Err(); err != nil {
		t.Errorf("it runs, and is said to have ended: %v", err)
	}
	s.Stop()
	if err := syscall.Kill(s.PID(), 0); err != syscall.ESRCH {
		t.Errorf("it still runs: %v", err)
	}
	s.Stop() // a second Stop does nothing
}

func TestServerThatEnds(t *testing.T) {
	cores, err := Available()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), script("echo $((6*7)) reasons >&2; exit 3"), cores[:1])
	if err == nil || !strings.Contains(err.Error(), "script") || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.Contains(err.Error(), "42 reasons") {
		t.Errorf("%v; expected who ended, how, and what it said", err)
	}
	s, err := Start(t.Context(), script(listens+"echo no more >&2; read line; exit 4"), cores[:1]) // its input has ended
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for err == nil {
		err = s.Err()
	}
	if !strings.Contains(err.Error(), "exit status 4") || !strings.Contains(err.Error(), "no more") || s.Err() == nil {
		t.Errorf("%v; expected how it ended and what it said", err)
	}
}
