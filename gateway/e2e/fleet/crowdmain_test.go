//go:build linux

package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// asCrowd is set in the environment of a test binary that runs as a crowd: the clients of one gateway. A process of its
// own has descriptors of its own. It reads one order a line, answers each in turn, and ends with its input.
const asCrowd = "E2E_CROWD"

// order is one order to a crowd.
type order struct {
	Do      string `json:"do"`                // one of the constants
	Address string `json:"address,omitempty"` // open, churn: of the gateway
	Count   int    `json:"count,omitempty"`   // open: how many; churn: how many a second
	Text    string `json:"text,omitempty"`    // say, got: a line
	Index   int    `json:"index,omitempty"`   // leave: which client
	Millis  int    `json:"millis,omitempty"`  // say, got: how long to wait for the clients that do not have it
}

// The orders.
const (
	doOpen  = "open"  // connect more clients, and answer with their addresses
	doSay   = "say"   // have each connected client send a line, which the gateway echoes; answer as got
	doGot   = "got"   // wait until each connected client has a line, and answer how often each has it
	doEnded = "ended" // answer how connections ended without an order
	doLeave = "leave" // end one client's connection
	doChurn = "churn" // let other clients come and go
	doCalm  = "calm"  // end the churn, and answer how many came
)

// reply is a crowd's answer.
type reply struct {
	Error     string         `json:"error,omitempty"`
	Addresses []string       `json:"addresses,omitempty"` // the clients', by index
	Counts    []int          `json:"counts,omitempty"`    // by index
	Ended     map[int]string `json:"ended,omitempty"`
	Churned   int            `json:"churned,omitempty"`
	Failed    int            `json:"failed,omitempty"` // how many of those could not connect, or were not echoed
}

// clients is the process's side of a crowd. One goroutine, that of crowdMain, takes orders; each client has one that
// reads until the connection ends.
type clients struct {
	lines   lineNumbers
	all     []*client
	churned *churn
}

// crowdMain takes orders until the input ends, and returns the exit code of the process.
func crowdMain(stdin io.Reader, stdout io.Writer) int {
	raise()
	c := &clients{}
	orders, answers := json.NewDecoder(stdin), json.NewEncoder(stdout)
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return 0
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		r, err := c.obey(o)
		if err != nil {
			r.Error = fmt.Sprintf("%s: %v", o.Do, err)
		}
		if err := answers.Encode(r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// raise lets the process have as many descriptors as it may. If they are too few, connecting fails.
func raise() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

func (c *clients) obey(o order) (reply, error) {
	wait := time.Duration(o.Millis) * time.Millisecond
	switch o.Do {
	case doOpen:
		return c.open(o.Address, o.Count)
	case doSay:
		err := c.say(o.Text)
		return c.got(o.Text, wait), err
	case doGot:
		return c.got(o.Text, wait), nil
	case doEnded:
		return reply{Ended: c.ended()}, nil
	case doLeave:
		return reply{}, c.all[o.Index].leave()
	case doChurn:
		c.churned = startChurn(o.Address, o.Count)
		return reply{}, nil
	case doCalm:
		return c.churned.end(), nil
	}
	return reply{}, errors.New("there is no such order")
}

// dialing is how many clients connect at once.
const dialing = 64

func (c *clients) open(address string, count int) (r reply, err error) {
	fresh := make([]*client, count)
	errs := make([]error, count)
	turns := make(chan struct{}, dialing)
	var all sync.WaitGroup
	for i := range fresh {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			fresh[i], errs[i] = dialClient(address, &c.lines)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return reply{}, err
	}
	for _, f := range fresh {
		r.Addresses = append(r.Addresses, f.conn.LocalAddr().String())
	}
	c.all = append(c.all, fresh...)
	return r, nil
}

// say writes a line on each connection.
func (c *clients) say(text string) error {
	var failed error
	for i, x := range c.all {
		if _, over := x.over(); over {
			continue
		}
		if _, err := x.conn.Write([]byte(text + "\n")); err != nil {
			failed = errors.Join(failed, fmt.Errorf("client %d: %w", i, err))
		}
	}
	return failed
}

// got waits until each connected client has a line, or until the time is over.
func (c *clients) got(text string, wait time.Duration) (r reply) {
	number := c.lines.number(text)
	deadline := time.Now().Add(wait)
	for {
		missing := 0
		r.Counts = r.Counts[:0]
		for _, x := range c.all {
			n := x.count(number)
			if _, over := x.over(); n == 0 && !over {
				missing++
			}
			r.Counts = append(r.Counts, n)
		}
		if missing == 0 || !time.Now().Before(deadline) {
			return r
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (c *clients) ended() map[int]string {
	ended := make(map[int]string)
	for i, x := range c.all {
		if how, over := x.over(); over && how != left {
			ended[i] = how
		}
	}
	return ended
}

// left is how a connection ended by order.
const left = "left"

// client is one connection, and the lines that came on it.
type client struct {
	conn net.Conn

	mu     sync.Mutex
	counts []uint8 // how often each line came, by its number
	how    string  // how it ended; "" while it has not
}

func dialClient(address string, lines *lineNumbers) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, 30*time.Second)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn}
	go c.read(bufio.NewReaderSize(conn, 256), lines)
	return c, nil
}

// read counts lines until the connection ends.
func (c *client) read(r *bufio.Reader, lines *lineNumbers) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			c.end(err.Error())
			_ = c.conn.Close()
			return
		}
		n := lines.number(strings.TrimSuffix(line, "\n"))
		c.mu.Lock()
		for len(c.counts) <= n {
			c.counts = append(c.counts, 0)
		}
		if c.counts[n] < 255 {
			c.counts[n]++
		}
		c.mu.Unlock()
	}
}

func (c *client) end(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.how == "" {
		c.how = how
	}
}

// leave ends the connection.
func (c *client) leave() error {
	c.end(left)
	return c.conn.Close()
}

// over says how the connection ended, if it has.
func (c *client) over() (how string, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.how, c.how != ""
}

func (c *client) count(number int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number < len(c.counts) {
		return int(c.counts[number])
	}
	return 0
}

// lineNumbers numbers all lines that come, so that a client need not keep texts.
type lineNumbers struct {
	mu  sync.RWMutex
	all map[string]int
}

func (l *lineNumbers) number(text string) int {
	l.mu.RLock()
	n, known := l.all[text]
	l.mu.RUnlock()
	if known {
		return n
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = make(map[string]int)
	}
	if _, known := l.all[text]; !known {
		l.all[text] = len(l.all)
	}
	return l.all[text]
}

// churn is clients that connect, are echoed, and leave.
type churn struct {
	address string
	stop    chan struct{}
	ended   chan reply
}

func startChurn(address string, perSecond int) *churn {
	c := &churn{address: address, stop: make(chan struct{}), ended: make(chan reply, 1)}
	go c.run(time.NewTicker(time.Second / time.Duration(perSecond)))
	return c
}

func (c *churn) end() reply {
	close(c.stop)
	return <-c.ended
}

func (c *churn) run(pace *time.Ticker) {
	defer pace.Stop()
	var r reply
	for {
		select {
		case <-c.stop:
			c.ended <- r
			return
		case <-pace.C:
			r.Churned++
			if err := c.visit(); err != nil {
				r.Failed++
			}
		}
	}
}

// visit is the whole life of one client.
func (c *churn) visit() error {
	conn, err := net.DialTimeout("tcp", c.address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte("churn\n"))
	for lines := bufio.NewReader(conn); err == nil; {
		var line string
		if line, err = lines.ReadString('\n'); line == "churn\n" {
			return nil // a broadcast may come before it
		}
	}
	return err
}
