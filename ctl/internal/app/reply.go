package app

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// check refuses an answer in which another text stands in place of a name. An element of a list is refused alone: one
// node of a fleet cannot hide the others. The run is then not done in full.
func (c *Client) check(reply any) error {
	m, ok := reply.(proto.Message)
	if !ok {
		return nil
	}
	var left refusals
	if f := left.in(m.ProtoReflect()); f != nil {
		return fmt.Errorf("%s, so that its answer is refused", f.in(c.Addr))
	}
	if left.n == 0 {
		return nil
	}
	c.app.refused.Store(true)
	if !c.quiet {
		c.app.Say("%s; left out of its answer: %s with such a mistake", left.first.in(c.Addr), Plural(left.n, "part"))
	}
	return nil
}

// fault is a text in place of a name.
type fault struct {
	form *nameForm
	text string
}

// in says which gateway gave the text.
func (f *fault) in(addr string) string {
	return fmt.Sprintf("the gateway at %s gave %.100q for %s (expected %s)", addr, f.text, f.form.what, f.form.looks)
}

// refusals count the elements of lists that were taken out of an answer.
type refusals struct {
	n     uint64
	first *fault
}

// in returns the first fault of a message that is not inside an element of a list. It takes such elements out.
func (r *refusals) in(m protoreflect.Message) *fault {
	p := planOf(m.Descriptor())
	for _, d := range p.names {
		if f := faultOf(d, m); f != nil {
			return f
		}
	}
	for _, d := range p.messages {
		if !m.Has(d) {
			continue
		}
		if f := r.in(m.Get(d).Message()); f != nil {
			return f
		}
	}
	for _, d := range p.lists {
		if m.Has(d) {
			r.filter(m.Mutable(d).List())
		}
	}
	return nil
}

// filter takes the elements with faults out of a list.
func (r *refusals) filter(list protoreflect.List) {
	kept := 0
	for i := range list.Len() {
		element := list.Get(i)
		if f := r.in(element.Message()); f != nil {
			r.n++
			if r.first == nil {
				r.first = f
			}
			continue
		}
		list.Set(kept, element)
		kept++
	}
	list.Truncate(kept)
}

// faultOf checks one field.
func faultOf(d protoreflect.FieldDescriptor, m protoreflect.Message) *fault {
	form := nameForms[d.FullName()]
	if !d.IsList() {
		if text := m.Get(d).String(); !form.fits(m, text) {
			return &fault{form, text}
		}
		return nil
	}
	list := m.Get(d).List()
	for i := range list.Len() {
		if text := list.Get(i).String(); !form.fits(m, text) {
			return &fault{form, text}
		}
	}
	return nil
}

// replyPlan has the fields of a message that are names, or have names inside them.
type replyPlan struct {
	names, messages, lists []protoreflect.FieldDescriptor
}

var replyPlans sync.Map // of *replyPlan, by the message's full name

// planOf returns the plan of a message. The contract has no message inside itself.
func planOf(d protoreflect.MessageDescriptor) *replyPlan {
	if p, ok := replyPlans.Load(d.FullName()); ok {
		return p.(*replyPlan)
	}
	p := &replyPlan{}
	for i := range d.Fields().Len() {
		p.add(d.Fields().Get(i))
	}
	replyPlans.Store(d.FullName(), p)
	return p
}

func (p *replyPlan) add(d protoreflect.FieldDescriptor) {
	switch {
	case nameForms[d.FullName()] != nil:
		p.names = append(p.names, d)
	case d.IsMap() || d.Message() == nil || planOf(d.Message()).empty():
	case d.IsList():
		p.lists = append(p.lists, d)
	default:
		p.messages = append(p.messages, d)
	}
}

func (p *replyPlan) empty() bool { return len(p.names)+len(p.messages)+len(p.lists) == 0 }
