// The one client of the benchmark: makes the calls that are asked for, again and again, against whichever CSI node
// server listens on the socket. Prints the figures as JSON.
package main

import (
	"flag"
	"fmt"
	"log"
	"strings"

	"famfs.io/famfs-csi/bench/internal/measure"
	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// attributes is a volume context, given as -context key=value, again for each key.
type attributes map[string]string

func (a attributes) String() string { return fmt.Sprint(map[string]string(a)) }

func (a attributes) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("needs key=value, not %q", text)
	}
	a[key] = value
	return nil
}

// amounts is how much of it is done.
type amounts struct {
	inFlight, warmUp, cycles int
}

const whatToDo = `what to do:
cycle         publish at a fresh target and unpublish
ready         the same, and map the file "data" in between: the first half ends when its first byte is read
capabilities  NodeGetCapabilities, which has one constant answer and touches nothing
burst         publish all cycles at once, then unpublish them
publish       publish as many as there are cycles and leave them
unpublish     unpublish what "publish" has left`

func main() {
	volume := attributes{}
	socket := flag.String("socket", "", "Unix socket of the server")
	targets := flag.String("targets", "", "existing folder for the targets")
	what := flag.String("do", "cycle", whatToDo)
	inFlight := flag.Int("in-flight", 1, "calls that run at a time")
	warmUp := flag.Int("warm-up", 10, "cycles before the measured ones")
	cycles := flag.Int("cycles", 100, "measured cycles")
	publishOnly := flag.String("publish", "", "publish at this target and end")
	unpublishOnly := flag.String("unpublish", "", "unpublish this target and end")
	flag.Var(volume, "context", "key=value of the volume context, again for each")
	flag.Parse()
	connection, err := grpc.NewClient("unix:"+*socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	s := sequence{csi.NewNodeClient(connection), *targets, volume}
	if *publishOnly != "" || *unpublishOnly != "" {
		if err := s.once(*publishOnly, *unpublishOnly); err != nil {
			log.Fatal(err)
		}
		return
	}
	result, err := do(s, *what, amounts{*inFlight, *warmUp, *cycles})
	if err != nil {
		log.Fatal(err)
	}
	if err := measure.Print(result); err != nil {
		log.Fatal(err)
	}
}

func do(s sequence, what string, amount amounts) (measure.Result, error) {
	work := map[string]measure.Cycle{
		"cycle":        s.cycle,
		"ready":        s.ready,
		"capabilities": s.capabilities,
		"publish":      s.publishAndLeave,
		"unpublish":    s.unpublishLeft,
	}
	switch what {
	case "burst":
		return burst(s, amount)
	case "cycle", "ready":
		if err := s.verify(); err != nil {
			return measure.Result{}, err
		}
	}
	cycle, found := work[what]
	if !found {
		return measure.Result{}, fmt.Errorf("cannot do %q; -help tells what there is", what)
	}
	return measure.Run(amount.inFlight, amount.warmUp, amount.cycles, cycle)
}

// burst publishes everything at once and measures that alone; what was published is gone afterwards.
func burst(s sequence, amount amounts) (measure.Result, error) {
	// The connection is made and warm before many calls fall upon it.
	if err := s.verify(); err != nil {
		return measure.Result{}, err
	}
	result, failure := measure.Run(amount.cycles, 0, amount.cycles, s.publishAndLeave)
	if _, err := measure.Run(8, 0, amount.cycles, s.unpublishLeft); err != nil && failure == nil {
		failure = err
	}
	return result, failure
}
