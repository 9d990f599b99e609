package remote

import pb "github.com/sockgate/sockgate/gen/sockgate/v1"

const (
	maxBatch    = 256 << 10 // bytes of a batch, unless it is a single command
	maxCommands = 4096      // commands of a batch
	maxCopy     = 16 << 10  // longer data are not copied into the arena
	chunk       = 64        // commands that are made at once
)

// batch is a request that gathers commands. It is used again when it was sent, so it keeps its memory: at most about
// 1 MiB of commands and 512 KiB of data.
type batch struct {
	request *pb.AttachRequest
	pool    []*pb.Command // with connection, data and acknowledged only
	used    int           // of pool
	arena   []byte        // the data of the commands that were used
	bytes   int
}

func newBatch() *batch { return &batch{request: &pb.AttachRequest{}} }

// takes reports whether a command of n bytes fits.
func (b *batch) takes(n int) bool {
	commands := len(b.request.Commands)
	return commands == 0 || commands < maxCommands && b.bytes+n <= maxBatch
}

// add appends a command, which takes over the rare part of g and, if they are long, its data.
func (b *batch) add(number uint64, g *change, acknowledged uint64, cost int) {
	c := g.rare
	if c == nil {
		c = b.next()
	}
	g.rare = nil
	c.Connection, c.Acknowledged, c.Data = number, acknowledged, nil
	if len(g.data) > maxCopy {
		c.Data, g.data = g.data, nil
	} else if len(g.data) > 0 {
		c.Data = b.keep(g.data)
	}
	b.request.Commands = append(b.request.Commands, c)
	b.bytes += cost
}

// next returns a command of the pool.
func (b *batch) next() *pb.Command {
	if b.used == len(b.pool) {
		made := make([]pb.Command, chunk)
		for i := range made {
			b.pool = append(b.pool, &made[i])
		}
	}
	b.used++
	return b.pool[b.used-1]
}

// keep copies p into the arena. Commands that were added before keep their bytes when the arena moves.
func (b *batch) keep(p []byte) []byte {
	start := len(b.arena)
	b.arena = append(b.arena, p...)
	return b.arena[start:len(b.arena):len(b.arena)]
}

// reset empties the batch.
func (b *batch) reset() {
	clear(b.request.Commands)
	for _, c := range b.pool[:b.used] {
		c.Data = nil
	}
	b.request.Commands, b.request.Drain = b.request.Commands[:0], nil
	b.used, b.arena, b.bytes = 0, b.arena[:0], 0
}
