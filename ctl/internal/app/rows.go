package app

import "google.golang.org/protobuf/proto"

// Rows prints rows in any format: as objects, as names, or in a table, which holds them until Flush.
type Rows struct {
	app   *App
	table *Table
}

// NewRows makes rows; the header is the table's.
func (a *App) NewRows(header ...string) *Rows { return &Rows{app: a, table: a.NewTable(header...)} }

// Add prints a row as the object, a message or a value for JSON, or as the name, or holds the cells for Flush.
func (r *Rows) Add(object any, name string, cells ...string) error {
	message, isMessage := object.(proto.Message)
	switch {
	case r.app.Structured() && isMessage:
		return r.app.PrintMessage(message)
	case r.app.Structured():
		return r.app.PrintValue(object)
	case r.app.Output == FormatName:
		return r.app.PrintName(name)
	}
	r.table.Add(cells...)
	return nil
}

// Flush makes every added row visible.
func (r *Rows) Flush() error {
	if r.app.Tabular() {
		if err := r.table.Flush(); err != nil {
			return err
		}
	}
	return r.app.Stdout.Flush()
}
