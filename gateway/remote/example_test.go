package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/remote"
)

// shouter answers every line in upper case. Its listener has frame=line, so that each call of Data gets one.
type shouter struct{ remote.BaseHandler }

func (shouter) Open(c *remote.Conn) {
	if !c.Resumed() {
		_ = c.Send([]byte("welcome\n"))
	}
}

func (shouter) Data(c *remote.Conn, line []byte) {
	if bytes.HasPrefix(line, []byte("quit")) {
		c.Close("the peer said quit")
		return
	}
	_ = c.SetLabel("shouted", "yes")
	_ = c.Send(bytes.ToUpper(line))
}

// A program owns the protocol of the listener `lines=:7000 handler=remote:shout frame=line`. At SIGTERM its connections
// move to other instances.
func ExampleServe() {
	conn, err := grpc.NewClient("127.0.0.1:8018", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := remote.Serve(ctx, conn, remote.Config{Handler: "shout", Lanes: 2}, shouter{}); err != nil {
		fmt.Println(err)
	}
}

// asker answers when another service has answered it. The bytes of a question stay unacknowledged until then: if the
// program dies, another instance gets the question again.
type asker struct {
	remote.BaseHandler
	ask func(question string, answered func(answer string))
}

func (h asker) Data(c *remote.Conn, question []byte) {
	a := c.Defer()
	h.ask(string(question), func(answer string) {
		_ = a.Send([]byte(answer))
		a.Done()
	})
}

// An answer that takes time does not hold up other connections.
func ExampleConn_Defer() {
	var h remote.Handler = asker{ask: func(question string, answered func(string)) {
		go func() { answered("42 to " + question) }()
	}}
	_ = h // goes to remote.Serve
}
