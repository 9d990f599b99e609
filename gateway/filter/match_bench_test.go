package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/sockgate/sockgate/gateway/event"
)

// widest returns the largest connection with every other text as long as the estimate assumes.
func widest() *event.Connection {
	info := largest()
	identity := *info.Identity
	long := strings.Repeat("a", 255)
	identity.Listener = &event.Listener{Name: strings.Repeat("a", maxText)}
	identity.Remote = netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535")
	identity.Local = identity.Remote
	identity.Peer = &event.Peer{Proxy: identity.Remote, TLSVersion: long, Cipher: long, Protocol: long, ServerName: long,
		Identity: strings.Repeat("a", 1024)}
	info.Identity = &identity
	return info
}

// costliest returns the longest repetition of a condition that compiles, joined so that each is evaluated.
func costliest(unit string) []*Filter {
	var filters []*Filter
	for _, join := range []struct{ opening, separator, closing string }{
		{"", " || ", ""}, {"", " && ", ""}, {"[", ", ", "].all(x, !x || x)"}, {"[", ",", "].size() == 0"},
	} {
		low, high := 0, MaxLength/len(unit)+1
		var best *Filter
		for high-low > 1 {
			n := (low + high) / 2
			units := strings.TrimSuffix(strings.Repeat(unit+join.separator, n), join.separator)
			f, err := Compile(join.opening + units + join.closing)
			if err != nil {
				high = n
				continue
			}
			low, best = n, f
		}
		if best != nil {
			filters = append(filters, best)
		}
	}
	return filters
}

// matchTime returns the least time of several matches, because the machine does other work too.
func matchTime(f *Filter, info *event.Connection) time.Duration {
	best := time.Hour
	for range 15 {
		start := time.Now()
		f.MatchAt(info, noon)
		best = min(best, time.Since(start))
	}
	return best
}

// BenchmarkHostileMatch reports the longest match among random conditions that are repeated as often as the estimate
// allows. MaxCost rests on it. It takes some minutes: run it with -benchtime 1x.
func BenchmarkHostileMatch(b *testing.B) {
	info := widest()
	var longest time.Duration
	measure := func(unit string) {
		for _, f := range costliest(unit) {
			if took := matchTime(f, info); took > longest {
				longest = took
				b.Logf("%v: %.60s… %q", took, f, unit)
			}
		}
	}
	for _, unit := range singles() {
		measure(unit)
	}
	for i := range b.N {
		g := &grammar{Rand: rand.New(rand.NewPCG(uint64(i), 1)), left: 1 + i%12}
		measure(g.expr(cel.BoolType))
	}
	b.ReportMetric(float64(longest.Nanoseconds())/1000, "µs-worst")
}

// singles returns conditions that call each overload once, with the largest variable of each type.
func singles() []string {
	widest := map[string]string{"string": "peer_identity", "int": "bytes_sent", "uint": "uint(bytes_sent)",
		"bool": "read_paused", "double": "1.5", "bytes": "bytes(peer_identity)", "google.protobuf.Duration": "age",
		"google.protobuf.Timestamp": "connected_at", "list": `peer_identity.split("")`, "map": "labels"}
	var units []string
	for _, o := range allOverloads() {
		for _, small := range []bool{false, true} {
			var args []string
			for _, arg := range o.ArgTypes() {
				name, ok := widest[arg.DeclaredTypeName()]
				if !ok {
					name = "labels"
				}
				if small && name == "peer_identity" {
					name = "node"
				}
				args = append(args, name)
			}
			units = append(units, fmt.Sprintf("(%s)==(%[1]s)", written(o, args)), written(o, args))
		}
	}
	for i := range variables {
		name := variables[i].name
		units = append(units, name+"=="+name, fmt.Sprintf("dyn(%s)!=1", name), fmt.Sprintf("labels[string(%s)]!=id", name),
			fmt.Sprintf("ip_in(remote_ip,string(%s))", name), fmt.Sprintf("string(%s)==id", name))
	}
	return append(units, `timestamp(string(connected_at))==closed_at`, `duration(string(age))==age`,
		`ip_in(remote_ip,remote_ip)`, `ip_in("::1",local_ip)`, `int(string(bytes_sent))==1`, `double(string(bytes_sent))==1.0`,
		`int(peer_identity)==1`, `double(peer_identity)==1.0`, `timestamp(peer_identity)==closed_at`, `int("x")==1`,
		`duration(peer_identity)==age`, `ip_in(peer_identity,peer_identity)`, `ip_in(remote_ip,peer_identity)`,
		`1/0==1`, `labels==labels`, `labels in [labels]`, `labels=={}`, `{1:labels}=={1:labels}`, `[labels]==[labels]`,
		`labels.map(k,k)==labels.map(k,k)`, `labels.map(k,labels[k])==[]`, `labels.all(k,labels.all(j,k<=j))`,
		`peer_identity.split("")==[]`, `[peer_identity]==[peer_identity]`, `{peer_identity:1}=={}`, `{id:id}==labels`,
		`peer_identity.replace("a","aa")==""`, `peer_identity.reverse()==""`, `peer_identity.split("").join("x")==""`,
		`id.split("").map(c,c)==[]`, `peer_identity.upperAscii().lowerAscii()==""`, `node.matches("(a|aa)*b")`,
		`peer_identity.matches("a")`, `"".matches("a")`, `node.matches("(x+x+)+y")`, `peer_identity.matches("b$")`,
		`type(labels)==map`, `string(bytes(peer_identity))==""`, `bytes(peer_identity)==b""`, `closed_at.getHours("UTC")==1`,
		`closed_at.getHours("+01:00")==1`, `closed_at.getFullYear()==1`, `string(closed_at)==""`, `string(age)==""`,
		`[1].all(x,true)`, `[1].map(x,x)==[1]`, `[1,2]==[1,2]`, `{1:1}=={1:1}`, `[[[1]]]==[[[1]]]`, `has(labels.a)`,
		`peer_identity in ["a","b"]`, `peer_identity in [close_text,closed_by]`, `id+id==id`, `peer_identity+peer_identity==""`,
		`"a"+"b"=="c"`, `labels.exists(k,k.contains("x"))`, `labels.exists_one(k,k==id)`, `[id].exists(x,x==id)`,
		`google.protobuf.Any{}==1`, `google.protobuf.Struct{fields:{"a":google.protobuf.Value{}}}=={}`,
		`google.protobuf.Duration{seconds:1}==age`, `google.protobuf.Value{}==null`)
}
