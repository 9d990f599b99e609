package auth

import "container/list"

// places says which connections of a full listener give way, so that no client keeps another out. A Listener's mu
// guards it.
//
// Connections have a tenant: an identity, or before their identity is proven the IP address that they come from. When
// the listener is full, the tenant with the most connections gives way (longest queue drop: Suter et al., Buffer
// Management Schemes for Supporting TCP in Gigabit Routers with Per-Flow Queueing, 1999). Connections without a proof
// have an eighth of the places together, so that clients can prove their identity at any time, and no more. An
// administrator's connections give way only beyond an eighth.
type places struct {
	floor     int // places of the connections without a proof; places that are kept for each administrator
	strangers int // connections without a proof
	tenants   map[tenantKey]*tenant
}

type tenantKey struct {
	name     string
	stranger bool
}

// tenant has the connections of an identity or address.
type tenant struct {
	key        tenantKey
	admin      bool
	idle, busy list.List // of *boundedConn, the oldest first; busy ones have a call under way
}

func (t *tenant) size() int { return t.idle.Len() + t.busy.Len() }

// oldest returns the connection that gives way first: the one that has been idle for the longest, or else the oldest.
func (t *tenant) oldest() *boundedConn {
	if first := t.idle.Front(); first != nil {
		return first.Value.(*boundedConn)
	}
	return t.busy.Front().Value.(*boundedConn)
}

// soonest returns the connection without a proof whose tenure ends first. The caller has made sure that there is one.
func (t *tenant) soonest() (first *boundedConn) {
	for _, l := range []*list.List{&t.idle, &t.busy} {
		for e := l.Front(); e != nil; e = e.Next() {
			if c := e.Value.(*boundedConn); first == nil || c.tenureEnds().Before(first.tenureEnds()) {
				first = c
			}
		}
	}
	return first
}

// settle gives a connection to a tenant. A connection has one tenant at a time.
func (p *places) settle(c *boundedConn, key tenantKey, admin bool) {
	p.leave(c)
	t := p.tenants[key]
	if t == nil {
		t = &tenant{key: key, admin: admin}
		p.tenants[key] = t
	}
	if key.stranger {
		p.strangers++
	}
	c.tenant = t
	c.place = t.listOf(c).PushBack(c)
}

// listOf returns the list that a connection belongs in.
func (t *tenant) listOf(c *boundedConn) *list.List {
	if c.calls > 0 {
		return &t.busy
	}
	return &t.idle
}

// leave takes a connection from its tenant, if it has one.
func (p *places) leave(c *boundedConn) {
	t := c.tenant
	if t == nil {
		return
	}
	t.listOf(c).Remove(c.place)
	c.tenant, c.place = nil, nil
	if t.key.stranger {
		p.strangers--
	}
	if t.size() == 0 {
		delete(p.tenants, t.key)
	}
}

// count notes that calls of a connection began or ended.
func (p *places) count(c *boundedConn, more int) {
	if c.tenant == nil {
		c.calls += more
		return
	}
	before := c.tenant.listOf(c)
	c.calls += more
	if after := c.tenant.listOf(c); after != before {
		before.Remove(c.place)
		c.place = after.PushBack(c)
	}
}

// victim returns the connection that gives way to a new one, or nil if none does.
func (p *places) victim() *boundedConn {
	if p.strangers >= p.floor {
		return p.largest(true).soonest()
	}
	if t := p.largest(false); t != nil {
		return t.oldest()
	}
	if t := p.largest(true); t != nil {
		return t.oldest()
	}
	return nil
}

// largest returns the tenant with the most connections, of those without a proof or of the others, less administrators
// within their floor. It returns nil if there is none.
func (p *places) largest(strangers bool) (most *tenant) {
	for key, t := range p.tenants {
		if key.stranger != strangers || t.admin && t.size() <= p.floor {
			continue
		}
		if most == nil || t.size() > most.size() {
			most = t
		}
	}
	return most
}
