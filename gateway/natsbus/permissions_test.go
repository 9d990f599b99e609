package natsbus_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/natsbus"
)

// deployed is the server of gateway/deploy/nats, and the authority of its certificate.
func deployed(t testing.TB) (*fleettest.NATSServer, *authority) {
	t.Helper()
	dir, ca := t.TempDir(), newAuthority(t)
	config, err := os.ReadFile(filepath.Join("..", "deploy", "nats", "nats-server.conf"))
	check(t, err)
	cert, key := ca.sign(t, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	for name, content := range map[string][]byte{
		"nats-server.conf": config,
		"server.pem":       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
		"server-key.pem":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	return fleettest.StartNATSFile(t, filepath.Join(dir, "nats-server.conf"), "EDGE_1_PASSWORD=one", "EDGE_2_PASSWORD=two", "EDGE_3_PASSWORD=three"), ca
}

// permitted is the bus of a node with its user, and its log.
func permitted(t testing.TB, s *fleettest.NATSServer, ca *authority, node, password string) (*natsbus.Bus, *journal) {
	t.Helper()
	roots, log := x509.NewCertPool(), newJournal()
	roots.AddCert(ca.cert)
	b := open(t, natsbus.Config{Node: node, Fleet: "sockgate", Logger: log.logger(), External: &natsbus.External{
		URLs: []string{"tls://" + node + ":" + password + "@" + s.Address}, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}})
	fleettest.AwaitStatus(t, b, true)
	return b, log
}

// prefix begins the subjects of the fleet in gateway/deploy/nats.
const prefix = "sockgate.sockgate."

// fleetSubjects are what a node subscribes to.
func fleetSubjects(node string) []string {
	return []string{prefix + "hello.*", prefix + "beat.*", prefix + "ask.*." + node, prefix + "ask.*._all", prefix + "answer.*." + node}
}

// count returns how many messages say something.
func count(inbox *fleettest.Inbox, text string) (n int) {
	for _, m := range inbox.All() {
		if string(m.Data) == text {
			n++
		}
	}
	return n
}

// awaitLast waits until what a node has published before has come to all who get it.
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

// TestDeployedPermissions runs a real server with the example's configuration. Everything that the fleet needs works; a node cannot speak as
// another one, not as who asks, not as who answers, not as who is there; and it cannot read what is for another one.
func TestDeployedPermissions(t *testing.T) {
	t.Parallel()
	server, ca := deployed(t)
	one, log := permitted(t, server, ca, "edge-1", "one")
	two, _ := permitted(t, server, ca, "edge-2", "two")
	three, _ := permitted(t, server, ca, "edge-3", "three")

	// What is needed, by every node, of every other one. There is no way to wait for a subscription but to hear by it.
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
			for subject, by := range map[string]string{"hello." + from: "hello.*", "beat." + from: "beat.*", "ask." + from + "." + to: "ask.*." + to,
				"ask." + from + "._all": "ask.*._all", "answer." + from + "." + to: "answer.*." + to} {
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

	// What edge-1 must not be able to do. What it says last is permitted: when that has come, nothing of the rest will.
	for _, subject := range []string{"hello.edge-2", "beat.edge-2", "ask.edge-2.edge-3", "ask.edge-2._all", "answer.edge-2.edge-3", "answer.edge-2._all",
		"beat", "beat.edge-1.edge-2"} {
		check(t, one.Publish(prefix+subject, []byte("false")))
	}
	for _, subject := range []string{"_INBOX.x", "$JS.API.INFO", "sockgate.other.beat.edge-1", "$SYS.REQ.SERVER.PING"} {
		check(t, one.Publish(subject, []byte("false")))
	}
	for _, kind := range []string{"hello.edge-2", "beat.edge-2", "ask.edge-2.edge-3", "answer.edge-2.edge-3"} { // one of each kind
		log.await(t, "to=publish subject="+prefix+kind)
	}
	stolen := fleettest.NewInbox()
	for _, subject := range []string{prefix + "ask.*.edge-2", prefix + "ask.edge-3.edge-2", prefix + "answer.*.edge-2", prefix + "ask.*.*", prefix + "*.*.*",
		"*.*.*.*.*", "_INBOX.*", "sockgate.other.beat.*"} {
		_, err := one.Subscribe(subject, stolen.Deliver)
		check(t, err)
	}
	log.await(t, `to=subscription subject="sockgate.other.beat.*"`)
	awaitLast(t, "edge-1", one, inboxes)
	check(t, three.Publish(prefix+"ask.edge-3.edge-2", []byte("secret")))
	check(t, three.Publish(prefix+"answer.edge-3.edge-2", []byte("secret")))
	again(t, func() bool {
		return count(inboxes["edge-2 "+prefix+"ask.*.edge-2"], "secret")+count(inboxes["edge-2 "+prefix+"answer.*.edge-2"], "secret") == 2
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
	if lines := log.count("does not permit"); lines != 8+6 { // of each kind of subject one, to publish and to subscribe
		t.Errorf("%d lines:\n%s", lines, log.all())
	}
	if again, _ := permitted(t, server, ca, "edge-1", "one"); !again.Status().Connected {
		t.Error("a second connection of a node is refused: a node that restarts has to get in")
	}
	wrong := open(t, natsbus.Config{Node: "edge-1", Fleet: "sockgate", External: &natsbus.External{URLs: []string{"tls://edge-1:one@" + server.Address}}})
	awaitProblem(t, wrong, "TLS: the server's certificate is refused")
}
