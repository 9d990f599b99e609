package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
)

//go:embed floors.txt
var defaultFloors string

// floors has the number of each package's floor, from the top down. Imports run from a smaller number to a larger one.
type floors map[string]int

// readFloors reads one floor a line, with the paths of its packages. `#` begins a comment.
func readFloors(file string) (floors, error) {
	text := defaultFloors
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	order := floors{}
	number := 0
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, path := range strings.Fields(line) {
			if order[path] != 0 {
				return nil, fmt.Errorf("%s is on two floors", path)
			}
			order[path] = number + 1
		}
		number++
	}
	if len(order) == 0 {
		return nil, errors.New("no floors: give the packages of the module, a floor a line, from the roof down")
	}
	return order, nil
}

// check finds the imports that run upward or along a floor, and the packages without a floor.
func (f floors) check(packages []measured) []error {
	var problems []error
	for _, p := range packages {
		if f[p.path] == 0 {
			problems = append(problems, fmt.Errorf("%s has no floor: give it one in .ci/knots/floors.txt", p.name()))
			continue
		}
		for _, imported := range p.imports {
			if f[imported] != 0 && f[imported] <= f[p.path] {
				problems = append(problems, fmt.Errorf("%s imports %s, which is not below it", p.name(), imported))
			}
		}
	}
	return problems
}
