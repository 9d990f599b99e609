package cli

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestWatchSeesLabels holds that `list --watch` shows a connection that is labelled so that it matches, and later
// changes of its labels, with a filter and without.
func TestWatchSeesLabels(t *testing.T) {
	for _, filter := range []string{"", `labels["room"] == "9"`} {
		g := gatewaytest.Start(t)
		conn, err := net.Dial("tcp", g.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		id := ctltest.FirstConnection(t, g.Client)

		ctx, cancel := context.WithCancel(t.Context())
		reader, writer := io.Pipe()
		ended := make(chan int, 1)
		go func() {
			ended <- Run(ctx, []string{"list", "--watch", "--filter", filter, "--gateway", g.Control},
				app.Env{Stdout: writer, Stderr: io.Discard})
			_ = writer.Close()
		}()
		lines := bufio.NewScanner(reader)
		lines.Scan() // the header: it has listed
		if filter == "" {
			lines.Scan() // PRESENT
		}
		label := func(value string) {
			if _, err := g.Client.SetLabels(ctx, &pb.SetLabelsRequest{ConnectionIds: []string{id},
				Set: map[string]string{"room": "9", "x": value}}); err != nil {
				t.Fatal(err)
			}
		}
		for i, value := range []string{"one", "two"} {
			label(value)
			want := "LABELED"
			if i == 0 && filter != "" {
				want = "PRESENT"
			}
			if !lines.Scan() || !strings.Contains(lines.Text(), want) || !strings.Contains(lines.Text(), "room=9,x="+value) {
				t.Errorf("--filter %q: %q; expected %s and the labels with x=%s", filter, lines.Text(), want, value)
			}
		}
		cancel()
		go func() { _, _ = io.Copy(io.Discard, reader) }()
		if code := <-ended; code != 0 {
			t.Errorf("exit %d", code)
		}
	}
}

// TestCaretIsHarmless holds that a filter cannot drive the terminal by way of its error.
func TestCaretIsHarmless(t *testing.T) {
	lines := app.CaretLines("a\x1b[31m == 1", map[string]string{"line": "1", "column": "2"})
	if len(lines) != 2 || lines[0] != "  a·[31m == 1" || lines[1] != "   ^" {
		t.Errorf("%q", lines)
	}
}
