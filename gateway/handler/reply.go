package handler

import "github.com/sockgate/sockgate/gateway/server"

// greet sends a greeting unless it is empty.
func greet(c *server.Conn, greeting []byte) {
	if len(greeting) > 0 {
		reply(c, greeting)
	}
}

// reply sends p, or ends the connection when p does not fit in the send queue or the queue budget.
func reply(c *server.Conn, p []byte) {
	switch o, _ := c.Send(p); o {
	case server.OutcomeDroppedQueueFull:
		c.Abort(server.ReasonSlowConsumer)
	case server.OutcomeDroppedBudget:
		c.Abort(server.ReasonQueueBudget)
	}
}
