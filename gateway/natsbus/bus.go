package natsbus

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sockgate/sockgate/gateway/bus"
)

// closeTimeout is how long Close waits for published messages to go out.
const closeTimeout = 2 * time.Second

// Bus is a bus.Bus over NATS. It does not deliver its own messages. Its methods may be called from any goroutine. Only
// Close waits for the network.
type Bus struct {
	// Lock order: docs/locks.md.

	config Config
	log    hclog.Logger
	server *server.Server // the embedded server; nil with external servers
	door   *entrance      // to the embedded server; nil without one, or when it accepts by itself
	outbox *outbox
	dialer *dialer
	due    occasions
	lost   atomic.Uint64 // messages that Publish took and that were not sent
	most   atomic.Int64  // the largest message in bytes that the server takes; 0 until it is known

	closing sync.Once
	ended   chan struct{} // closed when run has returned

	mu      sync.Mutex
	status  bus.Status
	changed chan struct{}
	life    uint64          // number of connections so far
	told    map[string]bool // reasons that were logged since the connection was lost
	all     []*subscription // in the order of their making
}

// Open starts a bus and, if so configured, the embedded server. It does not wait for the network. The bus connects by
// itself, and reconnects for ever when the connection is lost, after 1 s to 30 s each time. An error says that the
// configuration is wrong, or that the embedded server cannot listen for other nodes. The caller must Close the bus.
func Open(c Config) (*Bus, error) {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	b := &Bus{config: c, log: c.Logger, outbox: newOutbox(), ended: make(chan struct{}), changed: make(chan struct{}),
		told:   make(map[string]bool),
		status: bus.Status{Mode: "external", Connecting: true, Problem: "not connected yet", Since: time.Now()}}
	connect := b.external
	if c.Embedded != nil {
		password := secret()
		var err error
		if b.server, err = startServer(&c, password); err != nil {
			return nil, err
		}
		if b.door, err = newEntrance(b.server, c.Logger); err != nil {
			c.Logger.Warn("the number of connections to the cluster port without a certificate has no bound", "error", err)
		}
		b.status.Mode, connect = "embedded", func() nats.Options { return b.inProcess(password) }
	}
	b.dialer = newDialer(b.server)
	go b.run(connect)
	return b, nil
}

// Address returns the host:port where other nodes' servers reach the embedded server, with its real port. It is empty
// with external servers.
func (b *Bus) Address() string {
	if b.server == nil {
		return ""
	}
	return b.server.ClusterAddr().String()
}

// Publish queues a copy of a message for the other nodes' subscriptions, at most 8 MiB of messages at a time. An error
// says that the message will not be sent: there is no connection, the queue is full, the message is larger than the
// server takes, or the bus is closed. A queued message is lost if the connection breaks before it goes out; the log
// then counts it.
func (b *Bus) Publish(subject string, data []byte) error {
	b.mu.Lock()
	life, connected, reason := b.life, b.status.Connected, b.status.Problem
	b.mu.Unlock()
	if !connected {
		return fmt.Errorf("there is no connection to NATS: %s", reason)
	}
	if most := b.most.Load(); most > 0 && int64(len(data)) > most {
		return fmt.Errorf("a message of %d bytes: the NATS server takes at most %d; raise its max_payload", len(data), most)
	}
	return b.outbox.put(work{subject: subject, data: append([]byte(nil), data...), life: life})
}

// Subscribe calls deliver for each message of the other nodes on a subject, where `*` stands for one word. It calls
// deliver in order and one at a time, in a goroutine of the subscription. deliver may keep the data.
//
// Subscribe may be called without a connection, and holds for every later one. At most 64 MiB wait for deliver;
// messages beyond that are dropped, and the log says so. When unsubscribe returns, deliver has returned and is not
// called again; deliver itself must not call it. An error says that the subject is malformed or the bus is closed.
func (b *Bus) Subscribe(subject string, deliver func(subject string, data []byte)) (unsubscribe func(), err error) {
	if !validSubject(subject) {
		return nil, fmt.Errorf("subject %.100q: expected words with dots between them", subject)
	}
	s := &subscription{subject: subject, deliver: deliver}
	if err := b.outbox.put(work{do: func(c *client) { b.add(c, s) }}); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		s.end()
		_ = b.outbox.put(work{do: func(*client) { b.remove(s) }}) // fails after Close, which removes everything
	}), nil
}

// Status returns the present state of the connection.
func (b *Bus) Status() bus.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// Changed returns a channel that is closed when Status changes next: when a connection is made or lost, or an attempt
// fails for a reason that is new since the last connection. Take the channel first and then call Status, so that no
// change is missed.
func (b *Bus) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Close sends published messages for at most 2 s, and ends the connection, the subscriptions and the embedded server.
// An embedded server may take 2 s more to send to the other nodes. Close also waits for every deliver that runs. A
// second Close waits for the first.
func (b *Bus) Close() {
	b.closing.Do(func() {
		b.outbox.close()
		if b.Status().Connected {
			defer time.AfterFunc(closeTimeout, b.dialer.abort).Stop()
		} else {
			b.dialer.abort()
		}
		<-b.ended
		b.dialer.abort()
		if b.server != nil {
			stopServer(b.server, b.door)
		}
	})
}
