package remote

import (
	"fmt"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// receive handles a response of the gateway.
func (l *lane) receive(r *pb.AttachResponse) error {
	for _, d := range r.GetDeliveries() {
		if err := l.deliver(d); err != nil {
			return err
		}
	}
	if r.GetNodes() != nil {
		l.slot.node.fleet.heard(l, r.GetNodes())
	}
	if r.GetReattach() != nil {
		l.slot.replace(l, r.GetReattach().AsDuration())
	}
	if r.GetShutdown() != nil {
		l.shutdown(r.GetShutdown().AsDuration())
	}
	return nil
}

// deliver handles a delivery. One about a connection that the lane does not have is ignored. The error says that the
// gateway broke the contract.
func (l *lane) deliver(d *pb.Delivery) error {
	c := l.conns[d.GetConnection()]
	if o, ok := d.GetNews().(*pb.Delivery_Opened); ok {
		return l.opened(c, d, o.Opened)
	}
	if c == nil {
		return nil
	}
	switch news := d.GetNews().(type) {
	case *pb.Delivery_Data:
		l.data(c, news.Data, d.GetPosition())
	case *pb.Delivery_Ended:
		l.ended(c, d.GetPosition())
	case *pb.Delivery_Idle:
		l.tell(c, l.handler.idle)
	case *pb.Delivery_Written:
		l.written(c, news.Written)
	case *pb.Delivery_Closed:
		l.close(c, news.Closed)
	}
	return nil
}

// opened makes a connection the lane's. c is the one that has its number already: the contract has none.
func (l *lane) opened(c *Conn, d *pb.Delivery, o *pb.Opened) error {
	if c != nil {
		return fmt.Errorf("the gateway opened connection number %d, which the lane has", c.number)
	}
	c = newConn(l, d.GetConnection(), d.GetPosition(), o)
	l.conns[c.number] = c
	l.open(c, d.GetPosition())
	return nil
}

func (l *lane) written(c *Conn, at uint64) {
	c.mu.Lock()
	drained := c.written.report(at, c.sent)
	c.mu.Unlock()
	if drained {
		l.tell(c, l.handler.drained)
	}
}

func (l *lane) close(c *Conn, why *pb.LaneClosed) {
	delete(l.conns, c.number)
	if why.GetMoved() {
		l.closed(c, l.handler.moved)
		return
	}
	c.mu.Lock()
	c.text, c.unsent = why.GetText(), why.GetUnsentBytes()
	c.mu.Unlock()
	l.closed(c, func(c *Conn) { l.handler.Close(c, CloseReason(why.GetReason())) })
}

func (l *lane) shutdown(within time.Duration) {
	l.logger.Info("the gateway shuts down", "within", within)
	if l.handler.shutdown == nil {
		return
	}
	for _, c := range l.conns {
		l.tell(c, func(c *Conn) { l.handler.shutdown(c, within) })
	}
}
