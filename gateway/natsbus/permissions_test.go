package natsbus_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	"github.com/sockgate/sockgate/gateway/natsbus"
)

// deployed starts the server of gateway/deploy/nats, and returns it with the authority of its certificate.
func deployed(t testing.TB) (*fleettest.NATSServer, *authority.CA) {
	t.Helper()
	dir, ca := t.TempDir(), authority.New("CA")
	config, err := os.ReadFile(filepath.Join("..", "deploy", "nats", "nats-server.conf"))
	check(t, err)
	server := ca.Server(authority.IP("127.0.0.1"))
	for name, content := range map[string][]byte{
		"nats-server.conf": config,
		"server.pem":       server.CertPEM(),
		"server-key.pem":   server.KeyPEM(),
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	return fleettest.StartNATSFile(t, filepath.Join(dir, "nats-server.conf"),
		"EDGE_1_PASSWORD=one", "EDGE_2_PASSWORD=two", "EDGE_3_PASSWORD=three"), ca
}

// permitted opens the bus of a node with its user, and returns it with its log.
func permitted(t testing.TB, s *fleettest.NATSServer, ca *authority.CA, node, password string) (*natsbus.Bus,
	*journal) {
	t.Helper()
	log := newJournal()
	b := open(t, natsbus.Config{Node: node, Fleet: "sockgate", Logger: log.logger(), External: &natsbus.External{
		URLs: []string{"tls://" + node + ":" + password + "@" + s.Address},
		TLS:  &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}}})
	fleettest.AwaitStatus(t, b, true)
	return b, log
}

// prefix is the beginning of the fleet's subjects in gateway/deploy/nats.
const prefix = "sockgate.sockgate."

// fleetSubjects returns the subjects that a node subscribes to.
func fleetSubjects(node string) []string {
	return []string{prefix + "hello.*", prefix + "beat.*", prefix + "ask.*." + node, prefix + "ask.*._all",
		prefix + "answer.*." + node}
}

// count returns how many messages have a text as their data.
func count(inbox *fleettest.Inbox, text string) (n int) {
	for _, m := range inbox.All() {
		if string(m.Data) == text {
			n++
		}
	}
	return n
}

// awaitLast waits until the messages that a node published before have reached the other nodes.
func awaitLast(t testing.TB, node string, b *natsbus.Bus, inboxes map[string]*fleettest.Inbox) {
	t.Helper()
	last := "last of " + node
	check(t, b.Publish(prefix+"beat."+node, []byte(last)))
	again(t, func() bool {
		for _, other := range []string{"edge-1", "edge-2", "edge-3"} {
			if other != node && count(inboxes[other+" "+prefix+"beat.*"], last) == 0 {
				return false
			}
		}
		return true
	})
}

// TestDeployedPermissions runs a real server with the example's configuration. It checks that the fleet can do
// everything that it needs. A node cannot ask, answer or announce itself in another's name, and cannot read another's
// messages.
func TestDeployedPermissions(t *testing.T) {
	t.Parallel()
	server, ca := deployed(t)
	one, log := permitted(t, server, ca, "edge-1", "one")
	two, _ := permitted(t, server, ca, "edge-2", "two")
	three, _ := permitted(t, server, ca, "edge-3", "three")

	// Every node hears every other one on every subject of the fleet. Only a message shows that a subscription holds.
	buses := map[string]*natsbus.Bus{"edge-1": one, "edge-2": two, "edge-3": three}
	inboxes := make(map[string]*fleettest.Inbox)
	for node, b := range buses {
		for _, subject := range fleetSubjects(node) {
			inboxes[node+" "+subject] = subscribe(t, b, subject)
		}
	}
	for from, b := range buses {
		for to := range buses {
			if to == from {
				continue
			}
			for subject, by := range map[string]string{
				"hello." + from: "hello.*", "beat." + from: "beat.*", "ask." + from + "." + to: "ask.*." + to,
				"ask." + from + "._all": "ask.*._all", "answer." + from + "." + to: "answer.*." + to,
			} {
				inbox := inboxes[to+" "+prefix+by]
				again(t, func() bool {
					check(t, b.Publish(prefix+subject, []byte("fine")))
					for _, m := range inbox.All() {
						if m.Subject == prefix+subject {
							return true
						}
					}
					return false
				})
			}
		}
	}

	// edge-1 publishes messages that the server must refuse. Its last one is permitted: once that has come, no other will.
	for _, subject := range []string{"hello.edge-2", "beat.edge-2", "ask.edge-2.edge-3", "ask.edge-2._all",
		"answer.edge-2.edge-3", "answer.edge-2._all", "beat", "beat.edge-1.edge-2"} {
		check(t, one.Publish(prefix+subject, []byte("false")))
	}
	for _, subject := range []string{"_INBOX.x", "$JS.API.INFO", "sockgate.other.beat.edge-1", "$SYS.REQ.SERVER.PING"} {
		check(t, one.Publish(subject, []byte("false")))
	}
	// The log has one line for each kind of subject.
	for _, kind := range []string{"hello.edge-2", "beat.edge-2", "ask.edge-2.edge-3", "answer.edge-2.edge-3"} {
		log.await(t, "to=publish subject="+prefix+kind)
	}
	stolen := fleettest.NewInbox()
	for _, subject := range []string{prefix + "ask.*.edge-2", prefix + "ask.edge-3.edge-2", prefix + "answer.*.edge-2",
		prefix + "ask.*.*", prefix + "*.*.*", "*.*.*.*.*", "_INBOX.*", "sockgate.other.beat.*"} {
		_, err := one.Subscribe(subject, stolen.Deliver)
		check(t, err)
	}
	log.await(t, `to=subscription subject="sockgate.other.beat.*"`)
	awaitLast(t, "edge-1", one, inboxes)
	check(t, three.Publish(prefix+"ask.edge-3.edge-2", []byte("secret")))
	check(t, three.Publish(prefix+"answer.edge-3.edge-2", []byte("secret")))
	again(t, func() bool {
		asked, answered := inboxes["edge-2 "+prefix+"ask.*.edge-2"], inboxes["edge-2 "+prefix+"answer.*.edge-2"]
		return count(asked, "secret")+count(answered, "secret") == 2
	})
	awaitLast(t, "edge-3", three, inboxes)
	if n := len(stolen.All()); n > 0 {
		t.Errorf("edge-1 reads %d messages for others: %v", n, stolen.All())
	}
	for name, inbox := range inboxes {
		if n := count(inbox, "false"); n > 0 {
			t.Errorf("%s heard %d messages of edge-1 as another node: %v", name, n, inbox.All())
		}
	}
	if lines := log.count("does not permit"); lines != 8+6 { // one for each kind of subject, to publish and to subscribe
		t.Errorf("%d lines:\n%s", lines, log.all())
	}
	if again, _ := permitted(t, server, ca, "edge-1", "one"); !again.Status().Connected {
		t.Error("a second connection of a node is refused: a node that restarts has to get in")
	}
	wrong := open(t, natsbus.Config{Node: "edge-1", Fleet: "sockgate",
		External: &natsbus.External{URLs: []string{"tls://edge-1:one@" + server.Address}}})
	awaitProblem(t, wrong, "TLS: the server's certificate is refused")
}
