// Package page has the pages of a walk through the rows of all nodes of a fleet, and the tokens that lead from one page
// to the next.
package page

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Page has the fields that ListConnectionsResponse and ListBansResponse share under the same numbers.
type Page struct {
	Rows  []byte // still encoded, with their tags
	Count int
	Next  string // the token of the next page
	Total int64
}

// Read reads an encoded response, but does not decode its rows.
func Read(b []byte) (Page, error) {
	var p Page
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return Page{}, fmt.Errorf("its page is cut or garbled: %w", protowire.ParseError(n))
		}
		length := protowire.ConsumeFieldValue(number, kind, b[n:])
		if length < 0 {
			return Page{}, fmt.Errorf("its page is cut or garbled: %w", protowire.ParseError(length))
		}
		switch {
		case number == 1 && kind == protowire.BytesType:
			p.Rows = append(p.Rows, b[:n+length]...)
			p.Count++
		case number == 2 && kind == protowire.BytesType:
			p.Next, _ = protowire.ConsumeString(b[n:])
		case number == 3 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b[n:])
			p.Total = int64(v)
		}
		b = b[n+length:]
	}
	return p, nil
}
