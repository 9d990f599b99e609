package server

import (
	"net"
	"net/netip"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// lateEngine opens its sockets only after verbs have met the connection. Every engine may do so, because a connection
// is in the registry before it is opened.
type lateEngine struct {
	transport.Engine
	early func()
}

type lateAdmission struct {
	transport.Admission
	engine *lateEngine
}

func (e *lateEngine) Accept(ln net.Listener, admission transport.Admission) (transport.Acceptor, error) {
	return e.Engine.Accept(ln, &lateAdmission{Admission: admission, engine: e})
}

func (d *lateAdmission) Admit(s transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	end := d.Admission.Admit(s, remote, local)
	d.engine.early()
	return end
}

// Verbs that meet a connection before its loop runs wait for it, and no byte is lost or out of order.
func TestVerbsBeforeOpen(t *testing.T) {
	for _, engine := range Engines() {
		t.Run(engine, func(t *testing.T) { testVerbsBeforeOpen(t, engine) })
	}
}

func testVerbsBeforeOpen(t *testing.T, engine string) {
	s, err := New(Config{Node: "test", Listeners: []ListenerConfig{{Address: "127.0.0.1:0"}}, Handler: BaseHandler{}})
	if err != nil {
		t.Fatal(err)
	}
	const size = 512 << 10 // more than the kernel takes at once
	kicked := make(chan KickResult, 1)
	e, err := transport.New(engine, s.clock, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.engine = &lateEngine{Engine: e, early: func() {
		for range 2 {
			if r, err := s.Broadcast(t.Context(), BroadcastRequest{Data: make([]byte, size)}); err != nil || r.Queued != 1 {
				t.Errorf("Broadcast: %+v, %v; expected QUEUED", r, err)
			}
		}
		watch := make(chan struct{})
		go func() {
			close(watch)
			r, _ := s.Kick(t.Context(), KickRequest{Targets: IDs(s.registry.Get(1).ID()), Farewell: []byte("bye"),
				Flush: 1 << 36})
			kicked <- r
		}()
		<-watch
		for s.registry.Get(1).Info().CloseReason != event.ReasonKicked {
		}
	}}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context()) }()
	c, err := net.Dial("tcp", s.listeners[0].Address())
	if err != nil {
		t.Fatal(err)
	}
	n, last := 0, byte(0)
	buffer := make([]byte, 64<<10)
	for {
		got, err := c.Read(buffer)
		if n += got; got > 0 {
			last = buffer[got-1]
		}
		if err != nil {
			break
		}
	}
	c.Close()
	if n != 2*size+3 || last != 'e' {
		t.Errorf("the peer read %d bytes; expected %d and the farewell", n, 2*size)
	}
	if r := <-kicked; r.Outcomes[0].Outcome != OutcomeKicked {
		t.Errorf("Kick: %+v", r)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	for _, e := range func() []event.Event {
		sub, _ := s.log.Subscribe(event.Options{After: "0"})
		defer sub.Close()
		return sub.Poll(nil)
	}() {
		if e.Conn.Identity != nil && e.Type != event.Connected && e.Type != event.Ended && e.Type != event.Closed {
			t.Errorf("unexpected %s", e.Type)
		}
	}
}
