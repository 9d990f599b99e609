package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Command is the first argument that makes a program the attackers' process. The second is a Target as JSON. The
// process attacks until its input ends, and answers each line with a Report as JSON. Attackers that keep the gateway
// busy give way to everything else that wants the processor, because the clients that are measured run beside them.
const Command = "attack"

// Main is the attackers' process.
func Main(target string, stdin io.Reader, stdout io.Writer) error {
	var t Target
	if err := json.Unmarshal([]byte(target), &t); err != nil {
		return fmt.Errorf("%s %s: %w", Command, target, err)
	}
	a, err := Find(t.Attack)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tally := NewTally()
	go t.Run(ctx, a, tally)
	answers := json.NewEncoder(stdout)
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		if err := answers.Encode(tally.Report()); err != nil {
			return err
		}
	}
	return nil
}
