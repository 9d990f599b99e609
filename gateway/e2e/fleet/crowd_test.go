//go:build linux

package fleet

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"
)

// crowd is the clients of one gateway, as the test sees them. Only one goroutine at a time may use it.
type crowd struct {
	t         testing.TB
	gateway   *gateway
	process   *process
	orders    *json.Encoder
	answers   *json.Decoder
	addresses []string     // of the clients, by index: the remote addresses at the gateway
	gone      map[int]bool // clients whose end is expected
}

// newCrowd starts the clients' process in the gateway's network namespace, and connects them.
func newCrowd(g *gateway, count int) *crowd { return newCrowdIn(g, g.namespace, count) }

// newCrowdIn is newCrowd in another network namespace.
func newCrowdIn(g *gateway, namespace string, count int) *crowd {
	g.t.Helper()
	self, err := os.Executable()
	check(g.t, err)
	c := &crowd{t: g.t, gateway: g, gone: make(map[int]bool)}
	c.process = prepare(g.t, "the clients of "+g.node, namespace, []string{asCrowd + "=1"}, self)
	stdin, err := c.process.command.StdinPipe()
	check(g.t, err)
	stdout, err := c.process.command.StdoutPipe()
	check(g.t, err)
	c.orders, c.answers = json.NewEncoder(stdin), json.NewDecoder(stdout)
	c.process.start()
	g.t.Cleanup(func() { _ = stdin.(io.Closer).Close() })
	c.open(count)
	return c
}

// do gives an order to the process and returns the answer.
func (c *crowd) do(o order) reply {
	c.t.Helper()
	var r reply
	err := c.orders.Encode(o)
	if err == nil {
		err = c.answers.Decode(&r)
	}
	if err == nil && r.Error != "" {
		err = fmt.Errorf("%s", r.Error)
	}
	if err != nil {
		c.t.Fatalf("%s: %v", c.process.name, err)
	}
	return r
}

// open connects more clients, and returns when the gateway has them all.
func (c *crowd) open(count int) {
	c.t.Helper()
	c.addresses = append(c.addresses, c.do(order{Do: doOpen, Address: c.gateway.data, Count: count}).Addresses...)
	await(c.t, c.gateway.node+" has its clients", func() (bool, string) {
		n := c.gateway.count(local()).GetCount()
		return int(n) >= c.expected(), fmt.Sprintf("%d of %d", n, c.expected())
	})
}

// expected returns how many clients should be connected.
func (c *crowd) expected() int { return len(c.addresses) - len(c.gone) }

// index returns the client that has a connection's remote address.
func (c *crowd) index(address string) int {
	c.t.Helper()
	i := slices.Index(c.addresses, address)
	if i < 0 {
		c.t.Fatalf("%s is the address of no client of %s", address, c.gateway.node)
	}
	return i
}

// unscathed holds that no connection ended unexpectedly and that each is echoed. It returns how long the echoes took.
func (c *crowd) unscathed(word string) time.Duration {
	c.t.Helper()
	begin := time.Now()
	r := c.do(order{Do: doSay, Text: "echo " + word, Millis: int(patience.Milliseconds())})
	took := time.Since(begin)
	for i, n := range r.Counts {
		if !c.gone[i] && n != 1 {
			c.t.Errorf("client %d of %s (%s) got %d echoes of %q", i, c.gateway.node, c.addresses[i], n, word)
		}
	}
	for i, how := range c.do(order{Do: doEnded}).Ended {
		if !c.gone[i] {
			c.t.Errorf("client %d of %s (%s) lost its connection: %s", i, c.gateway.node, c.addresses[i], how)
		}
	}
	return took
}

// got waits until each client has a line, and returns how many have it. No client may have it twice.
func (c *crowd) got(text string, wait time.Duration) (n int) {
	c.t.Helper()
	for i, times := range c.do(order{Do: doGot, Text: text, Millis: int(wait.Milliseconds())}).Counts {
		if times > 1 {
			c.t.Errorf("client %d of %s got %q %d times", i, c.gateway.node, text, times)
		}
		n += min(times, 1)
	}
	return n
}

// awaitEnd waits for the end of a client's connection, and expects it from now on.
func (c *crowd) awaitEnd(i int) {
	c.t.Helper()
	c.gone[i] = true
	await(c.t, fmt.Sprintf("the end of client %d of %s", i, c.gateway.node), func() (bool, string) {
		_, over := c.do(order{Do: doEnded}).Ended[i]
		return over, "it is connected"
	})
}

// churn lets other clients come and go, so many a second, until calm.
func (c *crowd) churn(perSecond int) {
	c.t.Helper()
	c.do(order{Do: doChurn, Address: c.gateway.data, Count: perSecond})
}

// calm ends the churn. The gateway must have served every one of its clients.
func (c *crowd) calm() (churned int) {
	c.t.Helper()
	r := c.do(order{Do: doCalm})
	if r.Failed > 0 || r.Churned == 0 {
		c.t.Errorf("of %d clients that came to %s and went, %d were not served", r.Churned, c.gateway.node, r.Failed)
	}
	return r.Churned
}
