package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/gateway/daemon"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// hostile has line ends of every kind, a forged record, forged fields, escape sequences, and runes that hide or turn
// text around. It is valid UTF-8, which the contract requires of texts.
const hostile = "a\n2026-01-01T00:00:00.000Z [INFO]  gateway: ended\r\nb\\\" admin=\"1\u0085\u2028\u2029\x1b[2K\x07" +
	"\x00\x7f\u202e\u200b\u009b\U000e0041\tc\v\f"

// callEveryVerb calls each verb with hostile texts. Some calls are refused. The last ends the gateway.
func callEveryVerb(t *testing.T, client pb.GatewayServiceClient, id string) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(patiently(t), "user-agent-bin", hostile)
	calls := []func() error{
		func() error {
			_, err := client.ListConnections(ctx, &pb.ListConnectionsRequest{Filter: hostile})
			return err
		},
		func() error {
			_, err := client.CountConnections(ctx, &pb.CountConnectionsRequest{By: hostile})
			return err
		},
		func() error { _, err := client.GetConnection(ctx, &pb.GetConnectionRequest{Id: hostile}); return err },
		func() error {
			_, err := client.Send(ctx, &pb.SendRequest{Id: hostile, Data: []byte(hostile)})
			return err
		},
		func() error {
			_, err := client.Broadcast(ctx, &pb.BroadcastRequest{Data: []byte(hostile), ExcludeIds: []string{hostile}})
			return err
		},
		func() error {
			_, err := client.SetLabels(ctx, &pb.SetLabelsRequest{ConnectionIds: []string{id},
				Set: map[string]string{"a": hostile}, Remove: []string{"b"}})
			return err
		},
		func() error {
			_, err := client.SetLabels(ctx, &pb.SetLabelsRequest{Filter: "true", Set: map[string]string{hostile: hostile}})
			return err
		},
		func() error {
			_, err := client.AddBan(ctx, &pb.AddBanRequest{Target: "192.0.2.7", Reason: hostile})
			return err
		},
		func() error {
			_, err := client.AddBan(ctx, &pb.AddBanRequest{Target: hostile, Reason: hostile})
			return err
		},
		func() error { _, err := client.RemoveBan(ctx, &pb.RemoveBanRequest{Target: hostile}); return err },
		func() error { _, err := client.ListBans(ctx, &pb.ListBansRequest{PageToken: hostile}); return err },
		func() error { _, err := client.ForgetNode(ctx, &pb.ForgetNodeRequest{Node: hostile}); return err },
		func() error {
			stream, err := client.StreamEvents(ctx, &pb.StreamEventsRequest{Filter: hostile, After: hostile})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		func() error {
			_, err := client.Kick(ctx, &pb.KickRequest{ConnectionIds: []string{id}, Reason: hostile,
				Farewell: []byte(hostile)})
			return err
		},
		func() error {
			_, err := client.Shutdown(ctx, &pb.ShutdownRequest{Reason: hostile, Farewell: []byte(hostile)})
			return err
		},
	}
	for i, call := range calls {
		if err := call(); err != nil && i == len(calls)-1 {
			t.Error(err)
		}
	}
}

// hostileLog runs a gateway whose names are hostile, calls every verb, and returns the log and the exit code.
func hostileLog(t *testing.T, format string) (log string, code int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "g") // a short path, because a socket's path is limited to about 100 bytes
	check(t, err)
	defer os.RemoveAll(dir)
	socket, data := filepath.Join(dir, "c"), filepath.Join(dir, "d")
	file := write(t, "listen: [\"\\\"a\\nb\\x1b=unix://"+data+"\\\"\"]\n")
	var text bytes.Buffer
	var running sync.WaitGroup
	running.Go(func() {
		code = daemon.Run(context.Background(), daemon.Process{Args: []string{"--node", "test", "--config", file, "--control",
			"unix://" + socket, "--log-format", format, "--log-level", "debug"},
			Environ: []string{"SOCKGATE_X" + strings.ReplaceAll(hostile, "\x00", "") + "=1"}, Stdout: io.Discard, Stderr: &text})
	})
	i := &instance{t: t, control: socket}
	client := i.connect()
	if _, err = client.GetGateway(patiently(t), &pb.GetGatewayRequest{}, grpc.WaitForReady(true)); err != nil {
		running.Wait()
		t.Fatalf("%v: %s", err, &text)
	}
	conn, err := net.Dial("unix", data)
	check(t, err)
	defer conn.Close()
	echo(t, conn, "hi")
	list, err := client.ListConnections(patiently(t), &pb.ListConnectionsRequest{})
	check(t, err)
	callEveryVerb(t, client, list.GetConnections()[0].GetId())
	running.Wait()
	return text.String(), code
}

// TestHostileTextsInLog checks that each record of the log is one line without control characters, in both formats,
// whatever the texts that callers give.
func TestHostileTextsInLog(t *testing.T) {
	t.Parallel()
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d{4}) \[(DEBUG|INFO|WARN|ERROR)\] +gateway`)
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			log, code := hostileLog(t, format)
			if code != 0 || strings.Count(log, "Shutdown") == 0 {
				t.Errorf("exit %d: %s", code, log)
			}
			if strings.Contains(log, " admin=\"1") && format == "text" {
				t.Errorf("a text looks like a field: %s", log)
			}
			for line := range strings.Lines(log) {
				line = strings.TrimSuffix(line, "\n")
				if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%q", line)
				}
				if format == "text" && (!stamp.MatchString(line) || strings.Contains(line, "gateway: ended") &&
					!strings.HasSuffix(line, "gateway: ended") && !strings.Contains(line, `\n2026`)) {
					t.Errorf("%q is no record", line)
				}
				if format == "json" {
					check(t, json.Unmarshal([]byte(line), new(map[string]any)))
				}
			}
			if format == "json" && !strings.Contains(log, `\udb40\udc41`) {
				t.Errorf("no hostile text is in the log: %s", log)
			}
		})
	}
}

// TestHostileMistakes checks that an error about a setting is one line too.
func TestHostileMistakes(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--listen", hostile}, {"--control", hostile}, {hostile}, {"--" + hostile},
		{"--tls-cert", "/" + hostile, "--tls-key", "/x"}, {"--config", "/" + hostile}, {"--node", hostile}} {
		code, _, stderr := run(nil, append(args, loopback[6:]...)...)
		if code != 2 || strings.Count(stderr, "\n") != 2 || strings.ContainsFunc(strings.ReplaceAll(stderr, "\n", ""),
			func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: exit %d: %q", args, code, stderr)
		}
	}
}

// TestHostileCertificate checks the names of a certificate, which its issuer chose.
func TestHostileCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.server("server", "a\nb\x1b\\\" admin=\"1", "localhost")
	g := start(t, nil, "--tls-cert", cert, "--tls-key", key)
	g.signals <- syscall.SIGTERM
	if code := g.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	code, _, stderr := run(nil, append([]string{"--tls-cert", cert, "--tls-key", key, "--log-format", "text"},
		loopback[:6]...)...)
	for line := range strings.Lines(stderr) {
		if !strings.Contains(line, "gateway") || code != 0 {
			t.Errorf("exit %d: %q", code, line)
		}
	}
}
