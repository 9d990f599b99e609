package auth

import "context"

// Stay makes a call that lasts, such as a lane of a remote handler, hold n bytes for as long as it lasts: at least
// 88 KiB, which every call takes, and room for what it sends. The call does not count as one that waits for its client,
// however long the client is silent. It gives way only if its identity holds more than its share and others need room.
//
// Stay comes before the first message. The call then receives with Hear in place of Receive, and does not use Prepare,
// Reserve or Owe. The error is a *BudgetError.
func (c *Call) Stay(ctx context.Context, n int64) error {
	if c == nil {
		return nil
	}
	c.stays = n
	return c.awaitBriefly(ctx, n-callBytes-windowBytes)
}

// Hear calls receive, which waits for a message of a call that stays and returns what the message takes. What a message
// takes beyond HTTP/2's first window counts as held until the next message has come. A client may wait with its messages
// for as long as it likes. Hear is for one goroutine, which need not be the call's own.
//
// Hazard: the part of a message that has come does not count before the message is complete, so the number of calls that
// stay must have a bound.
func (c *Call) Hear(receive func() (int64, error)) error {
	n, err := receive()
	if c == nil || err != nil {
		return err
	}
	if beyond := max(0, n-windowBytes); beyond != c.heard {
		c.hold.Resize(c.stays + beyond)
		c.heard = beyond
	}
	return nil
}
