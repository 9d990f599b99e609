package main

import (
	"slices"
	"strings"
	"testing"
)

// edges builds a graph from "a>b" for "a uses b".
func edges(all ...string) uses {
	graph := uses{}
	for _, edge := range all {
		from, to, _ := strings.Cut(edge, ">")
		for _, node := range []string{from, to} {
			if graph[node] == nil {
				graph[node] = map[string]bool{}
			}
		}
		graph[from][to] = true
	}
	return graph
}

func TestKnots(t *testing.T) {
	for name, test := range map[string]struct {
		graph uses
		want  []string // the knots of more than one node, sorted
	}{
		"a chain has none":               {edges("a>b", "b>c", "a>c"), nil},
		"use of oneself is none":         {edges("a>a", "a>b"), nil},
		"two that use each other":        {edges("a>b", "b>a", "b>c"), []string{"a b"}},
		"a ring with a tail and a head":  {edges("x>a", "a>b", "b>c", "c>a", "c>y"), []string{"a b c"}},
		"two rings joined in one way":    {edges("a>b", "b>a", "b>c", "c>d", "d>c"), []string{"a b", "c d"}},
		"two rings joined in both ways":  {edges("a>b", "b>a", "b>c", "c>d", "d>c", "d>a"), []string{"a b c d"}},
		"a second way into a closed one": {edges("a>c", "c>d", "d>c", "a>b", "b>c"), []string{"c d"}},
	} {
		var got []string
		for _, knot := range knots(test.graph) {
			if slices.Sort(knot); len(knot) > 1 {
				got = append(got, strings.Join(knot, " "))
			}
		}
		if slices.Sort(got); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, expected %q", name, got, test.want)
		}
	}
}

func TestFloors(t *testing.T) {
	order := floors{"roof": 1, "middle": 2, "beside": 2, "ground": 3}
	for imports, problem := range map[string]string{
		"middle>ground": "",
		"roof>ground":   "",
		"middle>gen":    "", // generated: it has no row, and no floor
		"ground>middle": "ground imports middle, which is not below it",
		"middle>beside": "middle imports beside, which is not below it",
		"cellar>ground": "cellar has no floor: give it one in .ci/knots/floors.txt",
	} {
		from, to, _ := strings.Cut(imports, ">")
		got := ""
		for _, err := range order.check([]measured{{path: from, imports: []string{to}}}) {
			got += err.Error()
		}
		if got != problem {
			t.Errorf("%s: got %q, expected %q", imports, got, problem)
		}
	}
}

func TestBuiltInFloors(t *testing.T) {
	order, err := readFloors("")
	if err != nil {
		t.Fatal(err)
	}
	if order["gateway"] >= order["gateway/server"] || order["gateway/server"] >= order["gateway/event"] {
		t.Errorf("the floors are not from the roof down: %v", order)
	}
}

func TestThisPackage(t *testing.T) {
	packages, err := load(".")
	if err != nil {
		t.Fatal(err)
	}
	if p := packages[0]; len(packages) != 1 || p.path != "" || p.files != 7 || p.lines < 300 || len(p.knot) != 0 {
		t.Errorf("got %+v", packages)
	}
}

func TestLarge(t *testing.T) {
	if got := large([]measured{{path: "a", files: 40, lines: 4000}}); len(got) != 0 {
		t.Errorf("at the bounds: %v", got)
	}
	if got := large([]measured{{path: "a", files: 41, lines: 4001}}); len(got) != 2 {
		t.Errorf("above the bounds: %v", got)
	}
}
