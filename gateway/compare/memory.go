package main

import (
	"context"
	"errors"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// idle measures the memory of connections: the server's with them, less the server's after it had served a few.
func (m *measurement) idle(ctx context.Context, w result.Workload) error {
	client, err := m.client(w.Size)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := errors.Join(m.open(ctx, client, warmConns), client.EchoOnce(ctx, 0)); err != nil {
		return err
	}
	before, err := m.resident(ctx)
	if err != nil {
		return err
	}
	m.Resident = float64(before)
	if err := m.open(ctx, client, w.Conns); err != nil {
		return err
	}
	silent, err := m.resident(ctx)
	if err != nil {
		return err
	}
	if err := client.EchoOnce(ctx, warmConns); err != nil {
		return err
	}
	echoed, err := m.resident(ctx)
	m.IdleBytes, m.EchoBytes = float64(silent-before)/float64(w.Conns), float64(echoed-before)/float64(w.Conns)
	return err
}

// resident returns the server's memory once the server is quiet, or after 5 s: it then uses less than a fiftieth of a
// core and gives no more memory back. A collector gets no other chance. The collections that Go makes every two minutes
// give nothing back unless the heap has doubled.
func (m *measurement) resident(ctx context.Context) (int64, error) {
	const look, looks = 100 * time.Millisecond, 50
	cpu, err := proc.ReadCPU(m.server.PID())
	var bytes int64
	for quiet, i := 0, 0; err == nil && quiet < 3 && i < looks; i++ {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(look):
		}
		cpuBefore, bytesBefore := cpu, bytes
		var err1, err2 error
		cpu, err1 = proc.ReadCPU(m.server.PID())
		bytes, err2 = proc.ReadResident(m.server.PID())
		err = errors.Join(err1, err2)
		if cpu.Since(cpuBefore).Total < look/50 && bytes >= bytesBefore {
			quiet++
		} else {
			quiet = 0
		}
	}
	return bytes, err
}
