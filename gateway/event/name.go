package event

import "strconv"

// name returns the name of a value, or the number of a value that has none.
func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}
