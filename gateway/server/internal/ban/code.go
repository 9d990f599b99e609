package ban

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// oldVersion is one JSON text of all bans, which operators may write as well.
	oldVersion = 1
	// version is a line for each change, the newest last. A line is the CRC-32C of a JSON text in 8 hexadecimal digits, a
	// space and that text. The first line has the version; each other one has a ban, or a target whose ban was removed.
	version = 2
	// sumSize is the number of bytes before the JSON text of a line.
	sumSize = 9
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// banRecord is a ban, or a removal, in the file's JSON.
type banRecord struct {
	Removed   bool      `json:"removed,omitempty"` // never in version 1
	Target    string    `json:"target"`
	Identity  bool      `json:"identity,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	CreatedBy string    `json:"created_by,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// header is the first line.
type header struct {
	Version int `json:"version"`
}

// line returns a line of the file.
func line(record any) []byte {
	var text bytes.Buffer
	text.Write(make([]byte, sumSize))
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(record); err != nil {
		panic(fmt.Sprintf("ban: %v", err)) // texts and times of four-digit years have JSON
	}
	all := text.Bytes()
	copy(all, fmt.Sprintf("%08x ", crc32.Checksum(all[sumSize:len(all)-1], castagnoli)))
	return all
}

// line returns the ban's line.
func (b *Ban) line() []byte {
	return line(&banRecord{Target: b.Target.String(), Identity: b.Target.IsIdentity(), Reason: b.Reason,
		CreatedBy: b.CreatedBy, CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt})
}

// lines returns the change that brings the ban into force. It sets the ban's size.
func (b *Ban) lines() changes {
	text := b.line()
	b.size = len(text)
	return changes{{ban: b, line: text}}
}

// removal returns the line that ends the ban of a target.
func (t Target) removal() []byte {
	return line(&banRecord{Removed: true, Target: t.String(), Identity: t.IsIdentity()})
}

// Encode returns the text of a file that has just these bans, so that an operator can read it and compare two of them.
func Encode(rows []*Ban) []byte {
	var text bytes.Buffer
	text.Write(line(&header{Version: version}))
	for _, b := range rows {
		text.Write(b.line())
	}
	return text.Bytes()
}

// Decode returns the bans of a text of Encode, with changes behind it or not, or of an operator. It leaves out bans
// that have expired at now. The error says what is wrong with the text.
func Decode(text []byte, now time.Time) ([]*Ban, error) {
	c := decode(text, now)
	if c.damage != nil {
		return nil, c.damage
	}
	return c.rows, nil
}

// contents is what a file says.
type contents struct {
	rows   []*Ban
	old    bool  // version 1
	good   int   // bytes of whole lines
	damage error // what is wrong, besides a torn end; rows then are the bans of the other lines
}

// decode reads a file of either version.
func decode(text []byte, now time.Time) (c contents) {
	if len(text) > maxFile {
		return contents{damage: fmt.Errorf("it has more than %d bytes", maxFile)}
	}
	if bytes.HasPrefix(text, []byte("{")) {
		c.old, c.good = true, len(text)
		c.rows, c.damage = decodeOld(text, now)
		return c
	}
	return decodeLines(text, now)
}

// decodeLines reads version 2. An end without a newline is of a write that was cut off, which no caller was told to be
// kept. Any other bad line is damage.
func decodeLines(text []byte, now time.Time) contents {
	first, rest, whole := bytes.Cut(text, []byte("\n"))
	var h header
	if err := readLine(first, &h); err != nil || !whole || h.Version != version {
		return contents{damage: fmt.Errorf("its first line is neither that of version %d nor of JSON", version)}
	}
	bans, c := make(map[Target]*Ban), contents{good: len(text)}
	for number := 2; len(rest) > 0; number++ {
		var one []byte
		tail := len(rest)
		if one, rest, whole = bytes.Cut(rest, []byte("\n")); !whole {
			c.good -= tail
		} else if err := replay(bans, one); err != nil && c.damage == nil {
			c.damage = fmt.Errorf("line %d: %w", number, err)
		}
	}
	c.rows = lasting(slices.Collect(maps.Values(bans)), now)
	return c
}

// replay makes the change of a line.
func replay(bans map[Target]*Ban, one []byte) error {
	var r banRecord
	if err := readLine(one, &r); err != nil {
		return err
	}
	b, err := r.ban()
	if err != nil {
		return err
	}
	if delete(bans, b.Target); !r.Removed {
		bans[b.Target] = b
	}
	return nil
}

// readLine checks a line without its end, and reads its JSON.
func readLine(one []byte, record any) error {
	if len(one) < sumSize || one[sumSize-1] != ' ' {
		return errors.New("it has no checksum")
	}
	sum, err := strconv.ParseUint(string(one[:sumSize-1]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(one[sumSize:], castagnoli) {
		return errors.New("its checksum is wrong")
	}
	return readJSON(one[sumSize:], record)
}

// readJSON reads the JSON text of one value without unknown fields.
func readJSON(text []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("it is not the JSON of bans: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the bans")
	}
	return nil
}

// decodeOld reads version 1, whole or not at all.
func decodeOld(text []byte, now time.Time) ([]*Ban, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxBytes)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	var all struct {
		Version int         `json:"version"`
		Bans    []banRecord `json:"bans"`
	}
	if err := readJSON(text, &all); err != nil {
		return nil, err
	}
	if all.Version != oldVersion {
		return nil, fmt.Errorf("its version is %d; expected %d", all.Version, oldVersion)
	}
	if all.Bans == nil {
		return nil, errors.New("it has no `bans`")
	}
	return oldBans(all.Bans, now)
}

// oldBans turns the records of version 1 into bans.
func oldBans(records []banRecord, now time.Time) ([]*Ban, error) {
	var rows []*Ban
	seen := make(map[Target]bool)
	for i := range records {
		b, err := records[i].ban()
		switch {
		case err != nil:
			return nil, fmt.Errorf("ban %d: %w", i+1, err)
		case records[i].Removed:
			return nil, fmt.Errorf("ban %d: it is removed, which a file of version 1 cannot say", i+1)
		case seen[b.Target]:
			return nil, fmt.Errorf("two bans are of %.100q", b.Target)
		}
		seen[b.Target] = true
		rows = append(rows, b)
	}
	if rows = lasting(rows, now); len(rows) > Max {
		return nil, fmt.Errorf("it has %d bans; at most %d are allowed", len(rows), Max)
	}
	return rows, nil
}

// lasting returns the bans that have not expired, in the order of their targets. It changes rows.
func lasting(rows []*Ban, now time.Time) []*Ban {
	rows = slices.DeleteFunc(rows, func(b *Ban) bool { return b.over(now) })
	slices.SortFunc(rows, func(a, b *Ban) int { return a.Target.Compare(b.Target) })
	return rows
}

// ban checks a record and returns its ban.
func (r *banRecord) ban() (*Ban, error) {
	target, err := ParseTarget(r.Target, r.Identity)
	if err != nil {
		return nil, err
	}
	if r.Reason != event.ShortText(r.Reason) {
		return nil, fmt.Errorf("its reason has %d bytes; at most %d are allowed", len(r.Reason), event.MaxText)
	}
	for _, at := range []time.Time{r.CreatedAt.UTC(), r.ExpiresAt.UTC()} {
		if at.Year() < 0 || at.Year() > 9999 { // JSON has no such time
			return nil, fmt.Errorf("the year %d is none of 0 to 9999", at.Year())
		}
	}
	b := &Ban{Target: target, Reason: r.Reason, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: r.ExpiresAt.UTC()}
	b.size = len(b.line())
	return b, nil
}
