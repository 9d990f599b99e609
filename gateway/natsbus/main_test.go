package natsbus_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // tests that run at once mostly wait
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := fleettest.RemoveBinaries(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}
