// Command kubernetes holds the programs of a Kubernetes cluster that the end-to-end tests run, in one executable: what they
// share is compiled and linked once. The first argument names the program, the rest is its own.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// Each takes the arguments as a program gets them (its own name first) and ends the process.
var programs = map[string]func(args []string){
	"etcd":           etcdmain.Main,
	"kube-apiserver": command(apiserver.NewAPIServerCommand),
}

func command(build func() *cobra.Command) func(args []string) {
	return func([]string) { os.Exit(cli.Run(build())) }
}

func main() {
	if len(os.Args) > 1 {
		if run, known := programs[os.Args[1]]; known {
			os.Args = os.Args[1:]
			run(os.Args)
			return
		}
	}
	names := make([]string, 0, len(programs))
	for name := range programs {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "usage: kubernetes %s [flags]\n", strings.Join(names, "|"))
	os.Exit(2)
}
