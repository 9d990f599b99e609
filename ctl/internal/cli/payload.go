package cli

import (
	"io"

	"github.com/spf13/cobra"
)

const (
	maxSendBytes      = 1 << 20
	maxBroadcastBytes = 512 << 10
	maxFarewellBytes  = 64 << 10
)

// payloadFlags say how TEXT becomes bytes.
type payloadFlags struct {
	encoding string
	newline  bool
}

func (p *payloadFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.encoding, "encoding", encodingUTF8, "how TEXT is written: utf8, hex or base64")
	cmd.Flags().BoolVarP(&p.newline, "newline", "n", false, `append "\n"`)
	completeFlag(cmd, "encoding", encodings()...)
}

// payload makes the bytes of TEXT, or of stdin when it is "-".
func (a *app) payload(text string, p payloadFlags, limit int) ([]byte, error) {
	if err := checkEncoding(p.encoding); err != nil {
		return nil, err
	}
	if text == "-" {
		var err error
		if text, err = a.readStdin(p, limit); err != nil {
			return nil, err
		}
	}
	data, err := encodeText(text, p.encoding)
	if err != nil {
		return nil, err
	}
	if p.newline {
		data = append(data, '\n')
	}
	switch {
	case len(data) == 0:
		return nil, usagef("there is nothing to send; give TEXT, or - to read it from stdin")
	case len(data) > limit:
		return nil, usagef("%d bytes are too many to send at once; the limit is %d bytes (%s)", len(data), limit, humanBytes(uint64(limit)))
	}
	return data, nil
}

// readStdin reads all of stdin, but never much more than can be sent.
func (a *app) readStdin(p payloadFlags, limit int) (string, error) {
	readLimit := limit
	if p.encoding != encodingUTF8 {
		readLimit = 3*limit + 1024 // two digits a byte, and white space
	}
	data, err := io.ReadAll(io.LimitReader(a.env.Stdin, int64(readLimit)+1))
	if err != nil {
		return "", err
	}
	if len(data) > readLimit {
		return "", usagef("stdin has more than %d bytes (%s), which is the most that can be sent at once", limit, humanBytes(uint64(limit)))
	}
	return string(data), nil
}

// farewellBytes makes the bytes of --farewell; none if it is not given.
func farewellBytes(text string) ([]byte, error) {
	if len(text) > maxFarewellBytes {
		return nil, usagef("--farewell has %d bytes; the limit is %d (%s)", len(text), maxFarewellBytes, humanBytes(maxFarewellBytes))
	}
	return []byte(text), nil
}
