package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/filter"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The benchmarks of this file use a million connections without descriptors, which they make once. That takes about a
// second and half a gigabyte.
const million = 1_000_000

// rooms is the number of rooms of the connections. Three of four connections are in one room.
const rooms = 100

var crowd = sync.OnceValue(func() *server.Server { return newCrowd(million) })

// newCrowd returns a server with n connections without descriptors.
func newCrowd(n int) *server.Server {
	s, _ := crowdOf(n)
	return s
}

// crowdOf returns such a server, and its connections in order.
func crowdOf(n int) (*server.Server, []*server.Conn) {
	s, err := server.New(server.Config{Node: "edge-1", Handler: handler.Echo{},
		Listeners: []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}}})
	if err == nil {
		err = s.Listen() // gives its connections a listener's name
	}
	if err != nil {
		panic(err)
	}
	if err := s.Shutdown(context.Background()); err != nil { // closes the listener, which is not served
		panic(err)
	}
	var labels []map[string]string
	for i := range rooms {
		labels = append(labels, map[string]string{"room": strconv.Itoa(i), "tenant": "acme"})
	}
	conns := make([]*server.Conn, n)
	for i := range n {
		if i%4 == 0 {
			conns[i] = s.AddInert(remoteOf(i), nil)
		} else {
			conns[i] = s.AddInert(remoteOf(i), labels[i%rooms])
		}
	}
	return s, conns
}

func remoteOf(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))
}

// filters are usual ones, from cheap to costly, each with the number of matches in a million.
var filters = []struct{ name, expr string }{
	{"none", ""},
	{"room", `labels["room"] == "7"`},
	{"bytes", `bytes_received > 1000 && idle > duration("5m")`},
	{"network", `ip_in(remote_ip, "10.1.0.0/16") && labels["room"] == "7"`},
	{"id", `id.endsWith("99")`},
	{"labels", `labels.exists(k, labels[k] == "7")`},
}

func matcher(b testing.TB, expr string) server.Matcher {
	b.Helper()
	if expr == "" {
		return nil
	}
	f, err := filter.Compile(expr)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// places are positions in a million where a page may begin.
var places = []struct {
	name  string
	after uint64
}{{"first", 0}, {"middle", million / 2}, {"last", million - 1000}}

// BenchmarkPage measures a page of 1,000. Its filters select every row.
func BenchmarkPage(b *testing.B) {
	s := crowd()
	for _, f := range []struct{ name, expr string }{{"all", ""}, {"filter", `node == "edge-1"`}} {
		for _, p := range places {
			b.Run(f.name+"/"+p.name, func(b *testing.B) {
				r := server.ListRequest{After: p.after, Limit: 1000, State: server.ListLive, Match: matcher(b, f.expr)}
				b.ReportAllocs()
				for b.Loop() {
					page, err := s.List(b.Context(), r)
					if err != nil || len(page.Connections) != 1000 {
						b.Fatal(len(page.Connections), err)
					}
				}
			})
		}
	}
}

// BenchmarkFilter measures a walk of a million that selects few rows or none.
func BenchmarkFilter(b *testing.B) {
	s := crowd()
	for _, f := range filters[1:] {
		b.Run(f.name, func(b *testing.B) {
			match := matcher(b, f.expr)
			b.ReportAllocs()
			for b.Loop() {
				r := server.ListRequest{Limit: 1000, State: server.ListLive, Match: match}
				for {
					page, err := s.List(b.Context(), r)
					if err != nil {
						b.Fatal(err)
					}
					if r.After, r.UpTo = page.Next, page.UpTo; page.Next == 0 {
						break
					}
				}
			}
		})
	}
}

// BenchmarkCount measures a count of a million, by filter and by room.
func BenchmarkCount(b *testing.B) {
	s := crowd()
	count := func(name string, r server.CountRequest) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Count(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, f := range filters {
		count(f.name, server.CountRequest{State: server.ListLive, Match: matcher(b, f.expr)})
	}
	for _, by := range []string{"state", "labels.room", "remote_ip"} {
		group, err := server.ParseGroupBy(by)
		if err != nil {
			b.Fatal(err)
		}
		count("by/"+by, server.CountRequest{State: server.ListLive, By: group})
	}
}

// BenchmarkGet measures Get for a connection anywhere among a million.
func BenchmarkGet(b *testing.B) {
	s := crowd()
	page, err := s.List(b.Context(), server.ListRequest{After: million / 3, Limit: 1000, State: server.ListLive})
	if err != nil {
		b.Fatal(err)
	}
	var ids []string
	for _, c := range page.Connections {
		ids = append(ids, c.ID())
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Get(ids[i%len(ids)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAddRemove measures a connection that comes and goes among a million, alone and beside a walk that never
// ends.
func BenchmarkAddRemove(b *testing.B) {
	s := crowd()
	churn := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			server.CloseInert(s.AddInert(remoteOf(0), nil))
		}
	}
	b.Run("alone", churn)
	for _, f := range filters[:2] {
		b.Run("walk/"+f.name, func(b *testing.B) {
			var stop atomic.Bool
			var walking sync.WaitGroup
			walking.Go(func() {
				r := server.ListRequest{Limit: 1000, State: server.ListLive, Match: matcher(b, f.expr)}
				for !stop.Load() {
					page, err := s.List(context.Background(), r)
					if err != nil {
						b.Error(err)
						return
					}
					r.After = page.Next
				}
			})
			churn(b)
			stop.Store(true)
			walking.Wait()
		})
	}
}

// dialControl serves a control plane on loopback and returns a client of it.
func dialControl(b testing.TB, s *server.Server) pb.GatewayServiceClient {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	plane := control.New(s, control.Config{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = plane.Serve(ln) }) // fails only because it was stopped
	conn, err := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		plane.Stop(context.Background())
		serving.Wait()
	})
	return pb.NewGatewayServiceClient(conn)
}

// walkRPC lists all connections in pages of 1,000, and returns the number of rows.
func walkRPC(b testing.TB, client pb.GatewayServiceClient, expr string) (rows int) {
	r := &pb.ListConnectionsRequest{PageSize: 1000, Filter: expr}
	for {
		page, err := client.ListConnections(context.Background(), r)
		if err != nil {
			b.Fatal(err)
		}
		rows += len(page.GetConnections())
		if r.PageToken = page.GetNextPageToken(); r.GetPageToken() == "" {
			return rows
		}
	}
}

// BenchmarkWalkRPC measures a walk of a million by a gRPC client over loopback, with decoding of the rows.
func BenchmarkWalkRPC(b *testing.B) {
	s := crowd()
	for _, f := range filters[:2] {
		b.Run(f.name, func(b *testing.B) {
			client := dialControl(b, s)
			b.ReportAllocs()
			for b.Loop() {
				if rows := walkRPC(b, client, f.expr); rows == 0 {
					b.Fatal("no rows")
				}
			}
		})
	}
}

// BenchmarkPageRPC measures a page of 1,000 by a gRPC client over loopback.
func BenchmarkPageRPC(b *testing.B) {
	s := crowd()
	client := dialControl(b, s)
	r := &pb.ListConnectionsRequest{PageSize: 1000}
	tokens := map[string]string{"first": ""}
	for n := range million/1000 - 1 {
		page, err := client.ListConnections(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		r.PageToken = page.GetNextPageToken()
		tokens["last"] = r.GetPageToken()
		if n == 500 {
			tokens["middle"] = r.GetPageToken()
		}
	}
	for _, name := range []string{"first", "middle", "last"} {
		b.Run(name, func(b *testing.B) {
			r := &pb.ListConnectionsRequest{PageSize: 1000, PageToken: tokens[name]}
			b.ReportAllocs()
			for b.Loop() {
				page, err := client.ListConnections(b.Context(), r)
				if err != nil || len(page.GetConnections()) != 1000 {
					b.Fatal(len(page.GetConnections()), err)
				}
			}
		})
	}
}

// BenchmarkEchoBeside measures a round trip of 64 bytes, alone and while a million connections of the same process are
// counted and listed without end. Compare the percentiles. On two processors, a walk by RPC runs beside its own client.
func BenchmarkEchoBeside(b *testing.B) {
	s := crowd()
	client := dialControl(b, s)
	addr := echoServer(b)
	for _, w := range []struct {
		name string
		work func() error
	}{
		{"nothing", nil},
		{"count", func() error {
			_, err := s.Count(context.Background(), server.CountRequest{State: server.ListLive,
				Match: matcher(b, filters[1].expr)})
			return err
		}},
		{"list", func() error {
			_, err := s.List(context.Background(), server.ListRequest{After: million / 2, Limit: 1000, State: server.ListLive})
			return err
		}},
		{"rpc", func() error {
			_, err := client.ListConnections(context.Background(), &pb.ListConnectionsRequest{PageSize: 1000})
			return err
		}},
	} {
		b.Run(w.name, func(b *testing.B) {
			var stop atomic.Bool
			var working sync.WaitGroup
			if w.work != nil {
				working.Go(func() {
					for !stop.Load() {
						if err := w.work(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			echoTimes(b, addr)
			stop.Store(true)
			working.Wait()
		})
	}
}

// echoServer serves echo and returns its address.
func echoServer(b *testing.B) string {
	b.Helper()
	s, err := server.New(server.Config{Node: "echo", Handler: handler.Echo{},
		Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}}})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background()) }()
	b.Cleanup(func() {
		s.StartDrain(server.DrainRequest{})
		<-served
	})
	info := s.Gateway()
	return info.Listeners[0].Address
}

// echoTimes measures round trips and reports their percentiles.
func echoTimes(b *testing.B, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	p := make([]byte, 64)
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := c.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	for _, q := range []float64{50, 99, 99.9} {
		b.ReportMetric(float64(times[int(float64(len(times)-1)*q/100)])/1e3, fmt.Sprintf("p%g-µs", q))
	}
}
