//go:build linux

package siege

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// chatty is a client that sends all the time, and reads nothing until it is asked to.
type chatty struct {
	id      string
	conn    net.Conn
	sending sync.WaitGroup
}

// newChatty connects one to the first listener, and finds its connection.
func newChatty(ctx context.Context, g *Gateway, c pb.GatewayServiceClient) (*chatty, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.Echo)
	if err != nil {
		return nil, err
	}
	client := &chatty{conn: conn}
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	for client.id == "" && err == nil {
		var page *pb.ListConnectionsResponse
		page, err = c.ListConnections(ctx, &pb.ListConnectionsRequest{Filter: "remote_port == " + port})
		if len(page.GetConnections()) > 0 {
			client.id = page.GetConnections()[0].GetId()
		}
	}
	client.sending.Go(client.send)
	return client, err
}

// send sends until the connection breaks.
func (c *chatty) send() {
	for b := make([]byte, 4<<10); ; {
		if _, err := c.conn.Write(b); err != nil {
			return
		}
	}
}

// rest reads everything that came, and returns how much it was. The gateway has closed the connection.
func (c *chatty) rest() (uint64, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := io.Copy(io.Discard, c.conn)
	_ = c.conn.Close()
	c.sending.Wait()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return uint64(n), fmt.Errorf("%s: the connection is still open", c.id)
	}
	return uint64(n), nil // a reset is an end too
}

// Books are the bytes for clients: each that the gateway accepted must have arrived, or be told as unsent.
type Books struct {
	Accepted, Received, Unsent uint64
}

// Check returns an error if bytes are lost without a word, or came from nowhere.
func (b Books) Check() error {
	if b.Received+b.Unsent < b.Accepted || b.Received > b.Accepted {
		return fmt.Errorf("%d bytes came and %d are unsent; expected %d in all", b.Received, b.Unsent, b.Accepted)
	}
	return nil
}

// crowd is the chatty clients of a gateway, with what was sent to them.
type crowd struct {
	gateway *Gateway
	client  pb.GatewayServiceClient
	clients []*chatty
	books   Books
}

// send sends to each client, so many times so many bytes.
func (c *crowd) send(ctx context.Context, times, size int) error {
	data := make([]byte, size)
	for _, client := range c.clients {
		for range times {
			r, err := c.client.Send(ctx, &pb.SendRequest{Id: client.id, Data: data})
			if err != nil {
				return err
			}
			if o := r.GetOutcome(); o == pb.Outcome_OUTCOME_WRITTEN || o == pb.Outcome_OUTCOME_QUEUED {
				c.books.Accepted += uint64(size)
			}
		}
	}
	return nil
}

// read reads what each client got.
func (c *crowd) read() error {
	for _, client := range c.clients {
		n, err := client.rest()
		if err != nil {
			return err
		}
		c.books.Received += n
	}
	return nil
}

// newCrowd starts a gateway that discards what clients send, and n chatty clients.
func newCrowd(ctx context.Context, g *Gateway, n int) (*crowd, error) {
	conn, err := g.Dial("admin")
	if err != nil {
		return nil, err
	}
	c := &crowd{gateway: g, client: pb.NewGatewayServiceClient(conn)}
	for range n {
		client, err := newChatty(ctx, g, c.client)
		if err != nil {
			return nil, err
		}
		c.clients = append(c.clients, client)
	}
	return c, nil
}

// startSink starts a gateway that discards what its clients send, with room for two large sends to each.
func startSink(ctx context.Context, binary, dir string) (*Gateway, error) {
	return Start(ctx, binary, dir, 0, "--handler", "sink", "--send-queue-limit", "8MiB", "--high-water", "8MiB")
}

// KickBooks sends twice 1 MiB to clients that send and never read, kicks them, and returns the books. The unsent bytes
// are those of the reply.
func KickBooks(ctx context.Context, binary, dir string, clients int) (b Books, err error) {
	g, err := startSink(ctx, binary, dir)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	c, err := newCrowd(ctx, g, clients)
	if err != nil {
		return b, err
	}
	if err := c.send(ctx, 2, 1<<20); err != nil {
		return b, err
	}
	var ids []string
	for _, client := range c.clients {
		ids = append(ids, client.id)
	}
	reply, err := c.client.Kick(ctx, &pb.KickRequest{ConnectionIds: ids, FlushTimeout: durationpb.New(time.Second)})
	if err != nil {
		return b, err
	}
	for _, o := range reply.GetOutcomes() {
		c.books.Unsent += o.GetUnsentBytes()
	}
	err = c.read()
	return c.books, err
}

// ShutdownBooks sends 256 KiB to clients that send and never read, ends the gateway with SIGTERM, and returns the
// books. The unsent bytes are those of the CLOSED events.
func ShutdownBooks(ctx context.Context, binary, dir string, clients int) (b Books, err error) {
	g, err := startSink(ctx, binary, dir)
	if err != nil {
		return b, err
	}
	end := g.Stop
	defer func() { err = errors.Join(err, end()) }()
	c, err := newCrowd(ctx, g, clients)
	if err != nil {
		return b, err
	}
	stream, err := c.client.StreamEvents(ctx, &pb.StreamEventsRequest{After: "0",
		Types: []pb.EventType{pb.EventType_EVENT_TYPE_CLOSED}})
	if err == nil {
		err = c.send(ctx, 1, 256<<10)
	}
	if err == nil {
		end = g.Wait // a second signal would end it at once
		err = g.Terminate()
	}
	if err != nil {
		return b, err
	}
	for closed := 0; closed < clients; {
		batch, err := stream.Recv()
		if err != nil {
			return b, fmt.Errorf("after %d of %d CLOSED events: %w", closed, clients, err)
		}
		for _, e := range batch.GetEvents() {
			c.books.Unsent += e.GetClosed().GetUnsentBytes()
			closed++
		}
	}
	err = c.read()
	return c.books, err
}
