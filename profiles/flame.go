package profiles

import (
	"cmp"
	_ "embed"
	"fmt"
	"hash/fnv"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/pprof/profile"
)

//go:embed flame.html
var flameText string

// A Graph is a flame graph as a page.
type Graph struct {
	// Page is a complete HTML document, and Height its height in pixels.
	Page   string
	Height int
}

// Boxes of a flame graph.
const (
	leastShare = 0.002 // of all, for a box
	maxDepth   = 100
	boxHeight  = 18
	headHeight = 44 // of the search field
)

// flameNode is a function in one place of the call tree.
type flameNode struct {
	name string
	// now and base are the values of the two sides; of one profile alone, base is 0.
	now, base float64
	children  map[string]*flameNode
}

// flameBox is a node as the page shows it.
type flameBox struct {
	Short, Detail string
	// Width is a share of the parent's, in percent. Hue is the colour, and Strength its
	// saturation in percent where that says how much has changed.
	Width    float64
	Hue      uint32
	Strength int
	Children []flameBox
}

// FlameGraph draws a set, or the difference of two: boxes are as wide as what they stand
// for, below their callers. A click on one zooms. In a difference, red takes more than
// before and green less, and a box is as wide as both sides together. Boxes below 0.2 % of
// all are left out.
func FlameGraph(s Set) (Graph, error) {
	k, ok := findKind(s.Kind)
	if !ok || k.sample == "" {
		return Graph{}, fmt.Errorf("no flame graph of %q", s.Kind)
	}
	root, difference, err := callTree(s.Profile, k.sample)
	if err != nil {
		return Graph{}, fmt.Errorf("draw flame graph: %w", err)
	}
	d := drawing{unit: k.unit, total: *root, difference: difference}
	box := d.box(root, root, 1)
	t, err := template.New("flame").Parse(flameText)
	if err != nil {
		return Graph{}, fmt.Errorf("draw flame graph: %w", err)
	}
	var b strings.Builder
	err = t.Execute(&b, struct {
		Title string
		Root  flameBox
	}{s.Kind, box})
	if err != nil {
		return Graph{}, fmt.Errorf("draw flame graph: %w", err)
	}
	return Graph{Page: b.String(), Height: headHeight + boxHeight*d.depth}, nil
}

// callTree adds up the samples of a profile by their stacks, callers first.
func callTree(p *profile.Profile, sample string) (root *flameNode, difference bool, err error) {
	index, err := p.SampleIndexByName(sample)
	if err != nil {
		return nil, false, err
	}
	root = &flameNode{name: "all"}
	for _, s := range p.Sample {
		v, base := float64(s.Value[index]), s.DiffBaseSample()
		difference = difference || base
		at := root
		at.add(v, base)
		for i := len(s.Location) - 1; i >= 0; i-- {
			lines := s.Location[i].Line
			for l := len(lines) - 1; l >= 0; l-- {
				if lines[l].Function != nil {
					at = at.child(lines[l].Function.Name)
					at.add(v, base)
				}
			}
		}
	}
	return root, difference, nil
}

func (n *flameNode) add(v float64, base bool) {
	if base {
		n.base += math.Abs(v)
		return
	}
	n.now += v
}

func (n *flameNode) child(name string) *flameNode {
	if n.children[name] == nil {
		if n.children == nil {
			n.children = map[string]*flameNode{}
		}
		n.children[name] = &flameNode{name: name}
	}
	return n.children[name]
}

func (n *flameNode) size() float64 { return n.now + n.base }

// drawing is a flame graph that is being drawn.
type drawing struct {
	unit       string
	total      flameNode
	difference bool
	depth      int
}

// box draws a node within its parent.
func (d *drawing) box(n, parent *flameNode, depth int) flameBox {
	d.depth = max(d.depth, depth)
	b := flameBox{Short: shortName(n.name), Detail: d.detail(n), Width: 100, Hue: packageHue(n.name)}
	if parent.size() > 0 {
		b.Width = 100 * n.size() / parent.size()
	}
	if d.difference {
		change := (n.now - n.base) / max(n.size(), 1)
		if b.Hue = 145; change > 0 {
			b.Hue = 5
		}
		b.Strength = int(min(80, 300*math.Abs(change))) + 1
	}
	var children []*flameNode
	for _, c := range n.children {
		if c.size() >= leastShare*d.total.size() && c.size() > 0 && depth < maxDepth {
			children = append(children, c)
		}
	}
	slices.SortFunc(children, func(a, b *flameNode) int {
		return cmp.Or(cmp.Compare(b.size(), a.size()), cmp.Compare(a.name, b.name))
	})
	for _, c := range children {
		b.Children = append(b.Children, d.box(c, n, depth+1))
	}
	return b
}

// detail describes a node: its name, its value and its share of all.
func (d *drawing) detail(n *flameNode) string {
	name := clipName(n.name)
	if d.difference {
		return fmt.Sprintf("%s: %s → %s", name, quantity(n.base, d.unit), quantity(n.now, d.unit))
	}
	return fmt.Sprintf("%s: %s, %.1f %%", name, quantity(n.now, d.unit), 100*n.now/max(d.total.now, 1))
}

// quantity prints a value with its unit.
func quantity(v float64, unit string) string {
	switch unit {
	case "nanoseconds":
		return time.Duration(v).Round(time.Microsecond).String()
	case "bytes":
		return humanize.IBytes(uint64(max(v, 0)))
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}

// shortName is a function's name with the last element of its package's path.
func shortName(name string) string {
	path, arguments, generic := strings.Cut(clipName(name), "[")
	path = path[strings.LastIndexByte(path, '/')+1:]
	if generic && strings.Contains(arguments, "]") {
		path += "[…]" + arguments[strings.LastIndexByte(arguments, ']')+1:]
	}
	return path
}

// maxName bounds the names of functions, which come from the program that was profiled.
const maxName = 300

func clipName(name string) string { return strings.ToValidUTF8(name[:min(len(name), maxName)], "�") }

// packageHue is the colour of a function's package.
func packageHue(name string) uint32 {
	path, _, _ := strings.Cut(name, "[")
	from := strings.LastIndexByte(path, '/') + 1
	if dot := strings.IndexByte(path[from:], '.'); dot >= 0 {
		path = path[:from+dot]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(path)) // a hash does not fail
	return h.Sum32() % 360
}
