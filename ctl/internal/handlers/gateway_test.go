package handlers

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/backend"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

// attached runs use beside a set of n instances of the handler `chat`.
func attached(t *testing.T, gateway string, n int, use func(*backend.Set)) {
	t.Helper()
	out := ctltest.NewOutput()
	app.Run(t.Context(), []string{"--gateway", gateway}, app.Env{Stdin: strings.NewReader(""), Stdout: out, Stderr: out},
		func(a *app.App) *cobra.Command {
			return &cobra.Command{Use: "ctl", RunE: a.RunE(func(*cobra.Command, []string) error {
				s, err := backend.Start(a, "chat", n, func(err error) { t.Error(err) })
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				use(s)
				return nil
			})}
		})
}

// A real gateway tells of a handler without an instance, of its instances, and drains one.
func TestHandlersOfAGateway(t *testing.T) {
	table := lane.NewTable()
	g := gatewaytest.StartControl(t, control.Config{Handlers: table}, insecure.NewCredentials(), func(c *server.Config) {
		c.Handler = table.Handler("chat")
	})
	ctl := func(words string) *invocation {
		i := &invocation{ctx: t.Context(), gateway: g.Control, stdin: strings.NewReader(""), stdout: ctltest.NewOutput(),
			stderr: ctltest.NewOutput()}
		if code := i.run(strings.Fields(words)...); code != app.ExitDone {
			t.Errorf("ctl %s: exit code %d: %s", words, code, i.stderr)
		}
		return i
	}
	if out := ctl("handlers").stdout.String(); !regexp.MustCompile(`\nchat +- +test +0 +0 +0 +0B `).MatchString(out) {
		t.Errorf("%s", out)
	}
	attached(t, g.Control, 2, func(s *backend.Set) {
		conn, err := net.Dial("tcp", g.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		names := strings.Fields(ctl("handlers -o name").stdout.String())
		if len(names) != 2 || strings.Count(ctl("handlers --interval 100ms").stdout.String(), "\nchat ") != 2 {
			t.Fatalf("instances %q", names)
		}
		out := ctl("handlers drain " + names[0] + " --yes")
		if !regexp.MustCompile(`\n`+names[0]+` +1 +[01] +1\n$`).MatchString(out.stdout.String()) || out.stderr.String() != "" {
			t.Errorf("%s%s", out.stdout, out.stderr)
		}
		if _, err := conn.Write([]byte("y")); err != nil {
			t.Error(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Errorf("the connection did not outlive its instance: %v", err)
		}
	})
}
