// Compares the protocols in proto/ with the descriptors that the released Go modules register.
// Prints every difference with its place, and exits 1 when there is one.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/bufbuild/protocompile"
	csi "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// comparison is one of our files and what it has to agree with.
type comparison struct {
	file      string
	module    string
	released  protoreflect.FileDescriptor
	omissions []string
}

func main() {
	folder := flag.String("proto", "proto", "folder that holds csi.proto and registration.proto")
	flag.Parse()
	comparisons := []comparison{
		{"csi.proto", "github.com/container-storage-interface/spec", csi.File_csi_proto, csiOmissions},
		{"registration.proto", "k8s.io/kubelet", registrationFile(), nil},
	}
	failed := false
	for _, c := range comparisons {
		if err := c.run(*folder); err != nil {
			failed = true
			fmt.Println(err)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// registrationFile finds the registered file by one of its messages: the generated name of the file's own
// variable carries the path of the build tree that made it, and would change with that.
func registrationFile() protoreflect.FileDescriptor {
	return (&registration.PluginInfo{}).ProtoReflect().Descriptor().ParentFile()
}

// run compares one file, printing differences or what was found equal.
func (c comparison) run(folder string) error {
	ours, err := parse(folder, c.file)
	if err != nil {
		return fmt.Errorf("%s cannot be parsed: %w", c.file, err)
	}
	theirs, err := flatten(protodesc.ToFileDescriptorProto(c.released))
	if err != nil {
		return err
	}
	release := c.module + " " + versionOf(c.module)
	differences := compare(ours, theirs, c.omissions)
	if len(differences) > 0 {
		return fmt.Errorf("%s differs from %s in %d places:\n  %s",
			c.file, release, len(differences), strings.Join(differences, "\n  "))
	}
	fmt.Printf("%s equals %s: %s", c.file, release, ours.summary())
	if len(c.omissions) > 0 {
		fmt.Printf("; left out on purpose: %d of the release's top-level definitions", len(c.omissions))
	}
	fmt.Println()
	return nil
}

// parse reads one of our files as protoc would and returns its facts.
func parse(folder, file string) (facts, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(
			&protocompile.SourceResolver{ImportPaths: []string{filepath.Clean(folder)}}),
	}
	files, err := compiler.Compile(context.Background(), file)
	if err != nil {
		return nil, err
	}
	// Through bytes, so that both sides know the same extensions of options: those that are registered.
	bytes, err := proto.Marshal(protodesc.ToFileDescriptorProto(files[0]))
	if err != nil {
		return nil, err
	}
	descriptor := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(bytes, descriptor); err != nil {
		return nil, err
	}
	return flatten(descriptor)
}

// versionOf tells which release of a module this program was built with.
func versionOf(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "(unknown version)"
}
