package event_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
)

func TestParseVector(t *testing.T) {
	for _, c := range []struct {
		text, want string // want is the vector's own text; "" means an error
		says       string // a part of the error
	}{
		{text: "a.1@5", want: "a.1@5"},
		{text: "a.1@5,b.2@0", want: "a.1@5,b.2@0"},
		{text: "b.2@0,a.1@5", want: "a.1@5,b.2@0"},
		{text: "edge-2.1@1,edge-10.1@2,edge-1.1@3", want: "edge-1.1@3,edge-10.1@2,edge-2.1@1"},
		{text: "", says: "node.incarnation@sequence"},
		{text: "0", says: "node.incarnation@sequence"},
		{text: ",", says: "node.incarnation@sequence"},
		{text: "a.1@5,", says: "node.incarnation@sequence"},
		{text: ",a.1@5", says: "node.incarnation@sequence"},
		{text: "a.1@5, b.2@0", says: `" b.2@0" is not a cursor`},
		{text: "a.1@5,b.2@01", says: `"b.2@01" is not a cursor`},
		{text: "a.1@5,0", says: `"0" is not a cursor`},
		{text: "a.1@5,b.2@0,a.1@5", says: `two positions of node "a"`},
		{text: "a.1@5,a.2@0", says: `two positions of node "a"`},
	} {
		v, err := event.ParseVector(c.text)
		if c.want != "" && (err != nil || v.String() != c.want) {
			t.Errorf("ParseVector(%q) = %s, %v; expected %s", c.text, v, err, c.want)
		}
		if c.want == "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("ParseVector(%q) = %s, %v; expected an error that says %s", c.text, v, err, c.says)
		}
	}
}

// TestVectorIsAMap holds that a vector has every cursor that was set and not deleted, in the order of the names, and
// that its text parses back to it.
func TestVectorIsAMap(t *testing.T) {
	names := []string{"a", "a-", "a0", "b", "edge-1", "edge-10", "edge-2", "z"}
	rapid.Check(t, func(t *rapid.T) {
		var v event.Vector
		want := make(map[string]event.Cursor)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			name := rapid.SampledFrom(names).Draw(t, "node")
			if rapid.Bool().Draw(t, "delete") {
				v = v.Delete(name)
				delete(want, name)
				continue
			}
			c := event.Cursor{Origin: event.Origin{Node: name, Incarnation: "1f"}, Sequence: rapid.Uint64().Draw(t, "sequence")}
			v = v.Set(c)
			want[name] = c
		}
		var texts []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			texts = append(texts, want[name].String())
		}
		if v.String() != strings.Join(texts, ",") {
			t.Fatalf("the vector is %s; expected %s", v, texts)
		}
		for _, name := range names {
			c, ok := v.At(name)
			if expected, in := want[name]; ok != in || c != expected {
				t.Fatalf("at %s: %v, %t; expected %v, %t", name, c, ok, expected, in)
			}
		}
		if len(v) == 0 {
			return
		}
		if back, err := event.ParseVector(v.String()); err != nil || !slices.Equal(back, v) {
			t.Fatalf("%s came back as %s, %v", v, back, err)
		}
	})
}

func FuzzParseVector(f *testing.F) {
	for _, seed := range []string{"edge-1.19ab0d3f1c2@42", "a.1@5,b.2@0", "b.2@0,a.1@5", "a.1@5,a.2@0", "", "0", ",",
		"a.1@5,", strings.Repeat("a.1@5,", 100), "a.0@18446744073709551615,b.f@1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := event.ParseVector(text)
		if err != nil {
			if v != nil || len(err.Error()) > 1000 {
				t.Fatalf("%v came with %q", v, fmt.Sprintf("%.2000s", err))
			}
			return
		}
		given := strings.Split(text, ",")
		slices.Sort(given)
		kept := strings.Split(v.String(), ",")
		slices.Sort(kept)
		if !slices.Equal(given, kept) {
			t.Fatalf("%q became %s", text, v)
		}
		for _, c := range v {
			if at, ok := v.At(c.Node); !ok || at != c {
				t.Fatalf("%s at %s is %v", v, c.Node, at)
			}
		}
	})
}
