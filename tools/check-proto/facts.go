package main

import (
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// facts holds everything that a descriptor says, each under the place where it says so, such as
// "message ProbeResponse / field ready / number" -> "1". A definition itself is the fact "defined".
// Order of definitions and comments are no facts. Flattening the descriptor generically, instead of
// asking for known properties, is what keeps a property from being forgotten.
type facts map[string]string

const defined = "defined"

// words are how lists of definitions are called in a place.
var words = map[string]string{
	"message_type": "message", "nested_type": "message", "enum_type": "enum", "oneof_decl": "oneof",
}

// flatten turns a file's descriptor into facts.
func flatten(file *descriptorpb.FileDescriptorProto) (facts, error) {
	copied := proto.Clone(file).(*descriptorpb.FileDescriptorProto)
	copied.Name = nil // where the file lies is not part of the protocol
	copied.SourceCodeInfo = nil
	found := facts{}
	err := found.addMessage(nil, copied.ProtoReflect())
	return found, err
}

// add records a fact; two of the same place mean that places are not told apart as they must be.
func (f facts) add(place []string, value string) error {
	key := strings.Join(place, " / ")
	if _, taken := f[key]; taken {
		return fmt.Errorf("two facts for %q", key)
	}
	f[key] = value
	return nil
}

func (f facts) addMessage(place []string, message protoreflect.Message) error {
	var failure error
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		failure = f.addField(place, message, field, value)
		return failure == nil
	})
	if unknown := message.GetUnknown(); failure == nil && len(unknown) > 0 {
		return f.add(within(place, "unknown option bytes"), hex.EncodeToString(unknown))
	}
	return failure
}

func (f facts) addField(place []string, parent protoreflect.Message, field protoreflect.FieldDescriptor,
	value protoreflect.Value) error {
	name := string(field.Name())
	if field.IsExtension() {
		name = "(" + string(field.FullName()) + ")"
	}
	if word, known := words[name]; known {
		name = word
	}
	switch {
	case field.IsList() && field.Message() != nil:
		return f.addDefinitions(place, name, parent, value.List())
	case field.IsList():
		for index := range value.List().Len() {
			if err := f.add(within(place, name+" "+value.List().Get(index).String()), defined); err != nil {
				return err
			}
		}
		return nil
	case field.Message() != nil:
		return f.addMessage(within(place, name), value.Message())
	case field.Enum() != nil:
		return f.add(within(place, name), string(field.Enum().Values().ByNumber(value.Enum()).Name()))
	default:
		return f.add(within(place, name), value.String())
	}
}

// addDefinitions records the elements of a list of definitions, each under its name or, for ranges, its bounds.
func (f facts) addDefinitions(place []string, word string, parent protoreflect.Message,
	list protoreflect.List) error {
	for index := range list.Len() {
		message := list.Get(index).Message()
		element := within(place, word+" "+nameOf(message, index))
		if err := f.add(element, defined); err != nil {
			return err
		}
		if field, isField := message.Interface().(*descriptorpb.FieldDescriptorProto); isField && field.OneofIndex != nil {
			if err := f.addOneof(element, parent, field); err != nil {
				return err
			}
		}
		if err := f.addMessage(element, message); err != nil {
			return err
		}
	}
	return nil
}

// addOneof records the oneof of a field by name: its index depends on the order of definitions.
func (f facts) addOneof(place []string, parent protoreflect.Message, field *descriptorpb.FieldDescriptorProto) error {
	message := parent.Interface().(*descriptorpb.DescriptorProto)
	name := message.GetOneofDecl()[field.GetOneofIndex()].GetName()
	field.OneofIndex = nil
	return f.add(within(place, "oneof"), name)
}

// nameOf tells elements of a list of definitions apart.
func nameOf(message protoreflect.Message, index int) string {
	fields := message.Descriptor().Fields()
	if name := fields.ByName("name"); name != nil && name.Kind() == protoreflect.StringKind {
		return message.Get(name).String()
	}
	if start, end := fields.ByName("start"), fields.ByName("end"); start != nil && end != nil {
		return fmt.Sprintf("%v up to %v", message.Get(start), message.Get(end))
	}
	return fmt.Sprint(index)
}

// within is a place inside another; a new slice, since places are kept while siblings are made.
func within(place []string, step string) []string {
	return append(append(make([]string, 0, len(place)+1), place...), step)
}

// summary counts the definitions for a person.
func (f facts) summary() string {
	counts := map[string]int{}
	for place, value := range f {
		steps := strings.Split(place, " / ")
		last := steps[len(steps)-1]
		if value == defined {
			counts[strings.Fields(last)[0]]++
		}
		if len(steps) > 1 && steps[len(steps)-2] == "options" {
			counts["option"]++
		}
	}
	kinds := []string{"service", "method", "message", "field", "oneof", "enum", "value", "extension", "option"}
	var parts []string
	for _, kind := range kinds {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s%s", counts[kind], kind, plural(counts[kind])))
		}
	}
	return fmt.Sprintf("%s; %d facts", strings.Join(parts, ", "), len(f))
}

func plural(count int) string {
	if count == 1 {
		return ""
	}
	return "s"
}

// places returns all places of either side, sorted, so that a definition comes before what it holds.
func places(left, right facts) []string {
	all := make([]string, 0, len(left))
	for place := range left {
		all = append(all, place)
	}
	for place := range right {
		if _, both := left[place]; !both {
			all = append(all, place)
		}
	}
	sort.Strings(all)
	return all
}
