package deploy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/e2e/internal/port"
	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/token"
	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestDeployedGatewaysStart starts the gateways of each deployment file with the file's settings. Addresses and files
// are moved to this machine. It waits until they are one fleet, and ends them as an orchestrator does.
func TestDeployedGatewaysStart(t *testing.T) {
	t.Parallel()
	for file, gateways := range deployments(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			p := &place{t: t, program: program.Build(t, program.Gateway), dir: prepared(t), ports: make(map[string]string)}
			p.secrets()
			for i, port := range port.Free(t, "0", "1", "2", "nats") {
				p.ports[i] = port
			}
			for i, d := range gateways {
				p.ports[d.name] = p.ports[fmt.Sprint(i)]
			}
			if file == "compose-nats.yaml" {
				p.startNATS()
			}
			var control string // of the last gateway
			for _, d := range gateways {
				control = p.start(d)
			}
			p.awaitFleet(control, gateways[len(gateways)-1], len(gateways))
		})
	}
}

// patience is how long a fleet may take to come together.
const patience = time.Minute

var controlLine = regexp.MustCompile(` control plane listening: address=(\S+)`)

// place is where the gateways of a deployment file run in a test.
type place struct {
	t       *testing.T
	program string
	dir     string            // has the files of compose/prepare and the secrets of Kubernetes
	ports   map[string]string // of 127.0.0.1, by the node that listens there for others, or `nats`
}

// secrets makes the files that the manifests mount.
func (p *place) secrets() {
	p.t.Helper()
	for to, from := range map[string]string{
		"sockgate-cluster/tls.crt": "pki/edge-1.pem", "sockgate-cluster/tls.key": "pki/edge-1-key.pem",
		"sockgate-cluster/ca.crt":      "pki/ca.pem",
		"sockgate-control-tls/tls.crt": "pki/edge-1.pem", "sockgate-control-tls/tls.key": "pki/edge-1-key.pem",
		"sockgate-control-tls/ca.crt": "pki/ca.pem",
	} {
		p.write(to, read(p.t, filepath.Join(p.dir, from)))
	}
	p.write("sockgate-tokens/tokens", "ops admin "+token.HashOf("ops")+"\n")
}

func (p *place) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// moved returns a setting with its addresses and files moved to this machine.
func (p *place) moved(d *deployed, value string) string {
	parts := strings.Split(value, ",")
	for i, part := range parts {
		switch host, port, _ := strings.Cut(part, ":"); {
		case part == ":8017" || part == ":8018":
			parts[i] = "127.0.0.1:0"
		case host == "" && port == "6222":
			parts[i] = "127.0.0.1:" + p.ports[d.name]
		case port == "6222":
			node, _, _ := strings.Cut(host, ".")
			parts[i] = "localhost:" + p.ports[node]
		case strings.HasSuffix(part, "nats:4222"):
			parts[i] = strings.TrimSuffix(part, "nats:4222") + "localhost:" + p.ports["nats"]
		case strings.HasPrefix(part, "/"):
			parts[i] = p.path(d, part)
		}
	}
	return strings.Join(parts, ",")
}

// startNATS runs the server of compose-nats.yaml until the test ends. Only its address differs from the file's.
func (p *place) startNATS() {
	p.t.Helper()
	nats := readCompose(p.t, "compose-nats.yaml").Services["nats"]
	d := deployed{name: "nats", mounts: nats.mounts(p.t)}
	config := p.path(&d, filepath.Join(nats.Directory, nats.Command[len(nats.Command)-1]))
	p.write("moved/nats-server.conf", listenLine.ReplaceAllString(read(p.t, config),
		"listen: \"127.0.0.1:"+p.ports["nats"]+"\""))
	for inside := range d.mounts {
		if name := filepath.Base(inside); strings.HasSuffix(name, ".pem") {
			p.write("moved/"+name, read(p.t, p.path(&d, inside)))
		}
	}
	command := exec.Command(program.Build(p.t, program.NATS), nats.Command...)
	command.Dir, command.Env = filepath.Join(p.dir, "moved"), os.Environ()
	for variable, value := range nats.Environment {
		command.Env = append(command.Env, variable+"="+os.Expand(value, p.variable))
	}
	log := filepath.Join(p.dir, "nats.log")
	command.Args = append(command.Args, "--log", log)
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended; Wait tells
		_ = command.Wait()                          // its end by the signal is no failure
		if p.t.Failed() {
			p.t.Logf("nats:\n%s", read(p.t, log))
		}
	})
}

var listenLine = regexp.MustCompile(`(?m)^listen: .*$`)

// variable returns the value that compose/prepare wrote for a variable of compose.
func (p *place) variable(name string) string {
	for line := range strings.Lines(read(p.t, filepath.Join(p.dir, ".env"))) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return strings.TrimSpace(value)
		}
	}
	p.t.Errorf("compose/prepare writes no %s", name)
	return ""
}

// path returns the path on this machine of a path in a container.
func (p *place) path(d *deployed, path string) string {
	for inside, source := range d.mounts {
		if rest, ok := strings.CutPrefix(path, inside); ok && (rest == "" || rest[0] == '/') {
			if source == "state" { // in Kubernetes, each pod has its own
				source = filepath.Join(source, d.name)
			}
			if strings.HasPrefix(source, "..") { // in this repository
				return filepath.Join(tree.Path(p.t, composeFiles), source, rest)
			}
			return filepath.Join(p.dir, source, rest)
		}
	}
	p.t.Errorf("%s: nothing is mounted at %s", d.name, path)
	return path
}

// start runs a gateway until the test ends, and returns the address of its control plane.
func (p *place) start(d deployed) (control string) {
	p.t.Helper()
	command := exec.Command(p.program)
	for _, arg := range d.args {
		flag, value, ok := strings.Cut(arg, "=")
		if ok {
			value = "=" + p.moved(&d, value)
		}
		command.Args = append(command.Args, flag+value)
	}
	command.Env = append(os.Environ(), "SOCKGATE_LOG_FORMAT=text")
	for variable, value := range d.env {
		command.Env = append(command.Env, variable+"="+p.moved(&d, os.Expand(value, p.variable)))
	}
	for _, flag := range []string{"listen", "control"} {
		if d.value(flag) == "" {
			command.Args = append(command.Args, "--"+flag, "127.0.0.1:0")
		}
	}
	// start reads the lines of the text format
	command.Args = slices.DeleteFunc(command.Args, func(arg string) bool { return arg == "--log-format=json" })
	stderr, err := command.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var log strings.Builder
	for control == "" && lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		if m := controlLine.FindStringSubmatch(lines.Text()); m != nil {
			control = m[1]
		}
	}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&log, stderr) })
	p.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended; Wait tells
		reading.Wait()
		if err := command.Wait(); err != nil {
			p.t.Errorf("%s did not end well: %v", d.name, err)
		}
		if p.t.Failed() {
			p.t.Logf("%s:\n%s", d.name, log.String())
		}
	})
	if control == "" {
		p.t.Fatalf("%s did not start", d.name)
	}
	return control
}

// awaitFleet waits until a gateway sees so many live nodes.
func (p *place) awaitFleet(control string, d deployed, nodes int) {
	p.t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if d.value("control-tls-cert") != "" {
		creds, err := credentials.NewClientTLSFromFile(filepath.Join(p.dir, "pki/ca.pem"), "localhost")
		if err != nil {
			p.t.Fatal(err)
		}
		options = []grpc.DialOption{grpc.WithTransportCredentials(creds),
			grpc.WithPerRPCCredentials(token.Bearer(token.Of("ops")))}
	}
	conn, err := grpc.NewClient(control, append(options, grpc.WithNoProxy())...)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	client := pb.NewGatewayServiceClient(conn)
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
		reply, err := client.ListNodes(ctx, &pb.ListNodesRequest{})
		if err != nil {
			p.t.Fatalf("%s: %v", d.name, err)
		}
		live := 0
		for _, n := range reply.GetNodes() {
			if n.GetState() == pb.NodeState_NODE_STATE_LIVE && n.GetRoundTrip() != nil || n.GetSelf() {
				live++
			}
		}
		if live == nodes {
			return
		}
	}
}
