package exchange

import "time"

// Bounds of the remembered requests. A request beyond them is refused: a forgotten request that comes again would be
// carried out twice. A request with a wait of 5 s is remembered for 5 s, so the bound allows 13,000 requests a second
// of one node.
const (
	maxSeen     = 1 << 18
	maxNodeSeen = 1 << 16
)

// seen remembers requests until they would be refused as stale if they came again. The zero value is ready for use.
// incoming.mu guards it.
type seen struct {
	keys  map[workKey]struct{}
	nodes map[string]int      // number of requests by node
	due   map[int64][]workKey // by the second of the node's clock at which they are forgotten
}

// add remembers a request that becomes stale when the node's clock shows due. It returns added false if the request is
// there already, and full true if there is no room for it.
func (s *seen) add(key workKey, due time.Duration) (added, full bool) {
	if s.keys == nil {
		s.keys, s.nodes, s.due = make(map[workKey]struct{}), make(map[string]int), make(map[int64][]workKey)
	}
	if _, there := s.keys[key]; there {
		return false, false
	}
	if len(s.keys) >= maxSeen || s.nodes[key.from] >= maxNodeSeen {
		return false, true
	}
	s.keys[key] = struct{}{}
	s.nodes[key.from]++
	second := int64(due/time.Second) + 1
	s.due[second] = append(s.due[second], key)
	return true, false
}

// forget forgets the requests that are stale at now.
func (s *seen) forget(now time.Duration) {
	for second, keys := range s.due {
		if time.Duration(second)*time.Second > now {
			continue
		}
		for _, key := range keys {
			delete(s.keys, key)
			if s.nodes[key.from]--; s.nodes[key.from] == 0 {
				delete(s.nodes, key.from)
			}
		}
		delete(s.due, second)
	}
}
