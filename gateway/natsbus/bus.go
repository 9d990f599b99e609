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

// closeTimeout is how long Close lets what was published go out.
const closeTimeout = 2 * time.Second

// Bus is a fleet's bus over NATS. It does not deliver what it has published itself. Its methods may be called from any goroutine, and but
// for Close they do not wait for the network.
//
// Lock order: a subscription's deliver lock, then mu, then the outbox's and the dialer's; nothing of NATS is called under any of them.
type Bus struct {
	config Config
	log    hclog.Logger
	server *server.Server // the embedded one; nil without
	outbox *outbox
	dialer *dialer
	due    occasions
	lost   atomic.Uint64 // messages of this node that were not sent after all
	most   atomic.Int64  // the largest message that the server takes; 0 as long as it is not known

	closing sync.Once
	ended   chan struct{} // closed when run has returned

	mu      sync.Mutex
	status  bus.BusStatus
	changed chan struct{}
	life    uint64          // of the connection: how many there have been
	told    map[string]bool // reasons that were logged since the connection was lost
	all     []*subscription // in the order in which they were made
}

// Open starts a bus, and the embedded server. It does not wait for the network: the bus connects by itself, now and whenever it has to, for
// ever. The error is one of the configuration, or says that the address for other nodes cannot be listened on. The caller must Close it.
func Open(c Config) (*Bus, error) {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	b := &Bus{config: c, log: c.Logger, outbox: newOutbox(), ended: make(chan struct{}), changed: make(chan struct{}), told: make(map[string]bool),
		status: bus.BusStatus{Mode: "external", Connecting: true, Problem: "not connected yet", Since: time.Now()}}
	connect := b.external
	if c.Embedded != nil {
		password := secret()
		var err error
		if b.server, err = startServer(&c, password); err != nil {
			return nil, err
		}
		b.status.Mode, connect = "embedded", func() nats.Options { return b.inProcess(password) }
	}
	b.dialer = newDialer(b.server)
	go b.run(connect)
	return b, nil
}

// Address returns where other nodes' servers reach the embedded one, with its port; empty without.
func (b *Bus) Address() string {
	if b.server == nil {
		return ""
	}
	return b.server.ClusterAddr().String()
}

// Publish sends a message to the subscriptions of others.
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

// Subscribe calls deliver for each message of others on a subject.
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
		_ = b.outbox.put(work{do: func(*client) { b.remove(s) }}) // after Close there is nothing to remove
	}), nil
}

// Status says whether there is a connection.
func (b *Bus) Status() bus.BusStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// Changed returns a channel that is closed when Status is no longer what it was: when a connection is made or lost, and when there is a reason
// why none can be made that there was not yet since.
func (b *Bus) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Close sends what was published, for at most 2 s, and ends everything: the connection, the subscriptions, the embedded server. It waits for
// deliver to return where it is under way.
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
			stopServer(b.server)
		}
	})
}
