package ban

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sockgate/sockgate/gateway/event"
)

// banFileVersion is the version of the file's format.
const banFileVersion = 1

// banRecord is a ban in the file's JSON.
type banRecord struct {
	Target    string    `json:"target"`
	Identity  bool      `json:"identity,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	CreatedBy string    `json:"created_by,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Encode writes bans as JSON with one ban a line, so that an operator can read the file and compare two of them. The
// error says that the text would be larger than 32 MiB.
func Encode(rows []*Ban) ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "{\"version\": %d, \"bans\": [", banFileVersion)
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for i, b := range rows {
		if i == 0 {
			text.WriteString("\n ")
		} else {
			text.WriteByte(',')
		}
		err := lines.Encode(banRecord{Target: b.Target.String(), Identity: b.Target.IsIdentity(), Reason: b.Reason,
			CreatedBy: b.CreatedBy, CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt})
		if err != nil {
			return nil, err
		}
	}
	text.WriteString("]}\n")
	if text.Len() > maxFile {
		return nil, fmt.Errorf("the bans take %d bytes; at most %d are allowed: remove some, or shorten their reasons",
			text.Len(), maxFile)
	}
	return text.Bytes(), nil
}

// Decode reads a text of Encode or of an operator, whole or not at all. It leaves out bans that have expired at now.
// The error says what is wrong with the text.
func Decode(text []byte, now time.Time) ([]*Ban, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	var contents struct {
		Version int         `json:"version"`
		Bans    []banRecord `json:"bans"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&contents); err != nil {
		return nil, fmt.Errorf("it is not the JSON of bans: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the bans")
	}
	if contents.Version != banFileVersion {
		return nil, fmt.Errorf("its version is %d; expected %d", contents.Version, banFileVersion)
	}
	if contents.Bans == nil {
		return nil, errors.New("it has no `bans`")
	}
	return sortedBans(contents.Bans, now)
}

// sortedBans turns records into bans in the order of their targets, and leaves out expired ones.
func sortedBans(records []banRecord, now time.Time) ([]*Ban, error) {
	var rows []*Ban
	for i, r := range records {
		b, err := r.ban()
		if err != nil {
			return nil, fmt.Errorf("ban %d: %w", i+1, err)
		}
		rows = append(rows, b)
	}
	slices.SortFunc(rows, func(a, b *Ban) int { return a.Target.Compare(b.Target) })
	for i := range rows[:max(0, len(rows)-1)] {
		if rows[i].Target == rows[i+1].Target {
			return nil, fmt.Errorf("two bans are of %.100q", rows[i].Target)
		}
	}
	rows = slices.DeleteFunc(rows, func(b *Ban) bool { return b.over(now) })
	if len(rows) > Max {
		return nil, fmt.Errorf("it has %d bans; at most %d are allowed", len(rows), Max)
	}
	return rows, nil
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
	return &Ban{Target: target, Reason: r.Reason, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: r.ExpiresAt.UTC()}, nil
}
