package app

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/textcode"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

// The contract's bounds of payloads, in bytes.
const (
	MaxSendBytes      = 1 << 20
	MaxBroadcastBytes = 512 << 10
	maxFarewellBytes  = 64 << 10
)

// PayloadFlags say how TEXT becomes bytes.
type PayloadFlags struct {
	encoding string
	newline  bool
}

// Register declares --encoding and --newline.
func (p *PayloadFlags) Register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.encoding, "encoding", textcode.EncodingUTF8, "how TEXT is written: utf8, hex or base64")
	cmd.Flags().BoolVarP(&p.newline, "newline", "n", false, `append "\n"`)
	CompleteFlag(cmd, "encoding", textcode.Encodings()...)
}

// Payload makes the bytes of TEXT, or of stdin when it is "-"; more than limit bytes are an error.
func (a *App) Payload(text string, p PayloadFlags, limit int) ([]byte, error) {
	if err := textcode.CheckEncoding(p.encoding); err != nil {
		return nil, Usagef("%v", err)
	}
	if text == "-" {
		var err error
		if text, err = a.readStdin(p, limit); err != nil {
			return nil, err
		}
	}
	data, err := textcode.EncodeText(text, p.encoding)
	if err != nil {
		return nil, Usagef("%v", err)
	}
	if p.newline {
		data = append(data, '\n')
	}
	switch {
	case len(data) == 0:
		return nil, Usagef("there is nothing to send; give TEXT, or - to read it from stdin")
	case len(data) > limit:
		return nil, Usagef("%d bytes are too many to send at once; the limit is %d bytes (%s)", len(data), limit,
			units.HumanBytes(uint64(limit)))
	}
	return data, nil
}

// readStdin reads all of stdin, but hardly more than can be sent.
func (a *App) readStdin(p PayloadFlags, limit int) (string, error) {
	readLimit := limit
	if p.encoding != textcode.EncodingUTF8 {
		readLimit = 3*limit + 1024 // two digits a byte, and white space
	}
	data, err := io.ReadAll(io.LimitReader(a.Env.Stdin, int64(readLimit)+1))
	if err != nil {
		return "", err
	}
	if len(data) > readLimit {
		return "", Usagef("stdin has more than %d bytes (%s), which is the most that can be sent at once", limit,
			units.HumanBytes(uint64(limit)))
	}
	return string(data), nil
}

// FarewellBytes makes the bytes of --farewell; none if it is not given.
func FarewellBytes(text string) ([]byte, error) {
	if len(text) > maxFarewellBytes {
		return nil, Usagef("--farewell has %d bytes; the limit is %d (%s)", len(text), maxFarewellBytes,
			units.HumanBytes(maxFarewellBytes))
	}
	return []byte(text), nil
}
