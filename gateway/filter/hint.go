package filter

import (
	"slices"
	"strings"
	"unicode"
)

// undeclaredMessage says that a name is not declared and suggests the nearest one. Without a near one it lists all
// variables.
func undeclaredMessage(name string, call bool) string {
	message, known := "undeclared reference to '"+name+"'", variableNames()
	if call {
		message, known = "there is no function '"+name+"'", functionNames()
	}
	if near := nearest(name, known); near != "" {
		return message + "; did you mean " + near + "?"
	}
	if call {
		return message
	}
	return message + "; the variables are " + strings.Join(known, ", ")
}

// functionNames returns the names of all functions but the operators, in alphabetical order.
func functionNames() []string {
	env, err := environment()
	if err != nil {
		return nil
	}
	var names []string
	for name := range env.Functions() {
		if unicode.IsLetter(rune(name[0])) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// maxMeant is the greatest length of a name that is compared with others, in bytes. No known name is near a longer one.
const maxMeant = 64

// nearest returns the name that the operator probably meant, or "". Between two equally near names it prefers one of
// equal length.
func nearest(name string, known []string) string {
	if len(name) > maxMeant {
		return ""
	}
	best, bestScore := "", 2*(len(name)/3)+3
	for _, candidate := range known {
		score := 2 * editDistance(name, candidate)
		if len(candidate) != len(name) {
			score++
		}
		if score < bestScore {
			best, bestScore = candidate, score
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements of bytes that turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
