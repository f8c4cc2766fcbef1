package values

import (
	"math/rand/v2"
	"strings"

	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// A kind is a kind of Kubernetes objects.
type kind struct {
	name string
	// apiVersion and typeName are those of the objects.
	apiVersion, typeName string
	// least is the smallest size of an object. low and high are the bounds of the natural
	// sizes. All are in bytes.
	least, low, high int
	// levels is the number of levels of detail.
	levels int
	// share is the number of objects of the kind among 64, if all kinds are mixed.
	share int
	build func(d *draft, m *message)
}

// kinds returns all kinds. Their natural sizes are within those that the built-in
// scenario "kubernetes" has for them.
func kinds() []kind {
	return []kind{
		{
			name: "pods", apiVersion: "v1", typeName: "Pod",
			least: 2400, low: 4000, high: 12000, levels: 5, share: 24, build: pod,
		},
		{
			name: "nodes", apiVersion: "v1", typeName: "Node",
			least: 2400, low: 6000, high: 16000, levels: 5, share: 4, build: node,
		},
		{
			name: "leases", apiVersion: "coordination.k8s.io/v1", typeName: "Lease",
			least: 290, low: 400, high: 500, levels: 2, share: 8, build: lease,
		},
		{
			name: "events", apiVersion: "v1", typeName: "Event",
			least: 500, low: 700, high: 1100, levels: 2, share: 20, build: event,
		},
		{
			name: "configmaps", apiVersion: "v1", typeName: "ConfigMap",
			least: 300, low: 500, high: 6000, levels: 2, share: 8, build: configMap,
		},
	}
}

// naturalBounds returns the bounds of the natural sizes of kinds.
func naturalBounds(kinds []kind) (low, high int) {
	low, high = kinds[0].low, kinds[0].high
	for _, k := range kinds {
		low, high = min(low, k.low), max(high, k.high)
	}
	return low, high
}

const (
	// maxTemplates is the largest number of templates of a source.
	maxTemplates = 64
	// templateBytes bounds the memory of the templates.
	templateBytes = 8 << 20
)

// templates returns templates of kinds. Their sizes are spread evenly over the requested ones.
func templates(kinds []kind, natural bool, low, high int, seed uint64) (list []template) {
	total := min(maxTemplates, max(8, templateBytes/max(1, high)))
	for _, k := range kinds {
		count := total
		if len(kinds) > 1 {
			count = max(1, k.share*total/maxTemplates)
		}
		if natural {
			low, high = k.low, k.high
		}
		for i := range count {
			size := low + (high-low)*(2*i+1)/(2*count)
			list = append(list, k.template(size, seed, i))
		}
	}
	return list
}

// template returns a template for values of the given size in bytes.
func (k kind) template(size int, seed uint64, number int) template {
	level := k.levels - 1
	for level > 0 && len(k.object(seed, number, level, 0, 0).data) > size {
		level--
	}
	length := func(filler int) int { return len(k.object(seed, number, level, filler, 0).data) }
	// The object grows with its filler, and by a few bytes more when the encoding of a length takes one
	// byte more.
	filler := max(0, size-length(0))
	for excess := length(filler) - size; excess > 0 && filler > 0; excess = length(filler) - size {
		filler = max(0, filler-excess)
	}
	return newTemplate(k.object(seed, number, level, filler, max(0, size-length(filler))))
}

// stampField is a field that runtime.Unknown does not have, so that decoders skip it. Its last
// bytes are reserved for the stamp of a run.
const stampField = 15

// object returns an object as Kubernetes stores it: four bytes, and the message
// runtime.Unknown around the object's own.
func (k kind) object(seed uint64, number, level, filler, spare int) (m message) {
	d := &draft{rng: rand.New(rand.NewPCG(seed, uint64(number))), level: level, filler: filler}
	m.data = append(m.data, "k8s\x00"...)
	m.embed(1, func(m *message) {
		m.text(1, k.apiVersion)
		m.text(2, k.typeName)
	})
	m.embed(2, func(m *message) { k.build(d, m) })
	m.text(3, "") // the content's encoding
	m.text(4, "") // the content's type
	m.text(stampField, strings.Repeat("\x00", spare+ledger.StampSize))
	return m
}

// A draft holds the random choices of an object under construction.
type draft struct {
	// rng draws the parts that are equal in all values of a template.
	rng *rand.Rand
	// level is the level of detail, from 0.
	level int
	// filler is the number of bytes by which the object must be extended.
	filler int
}

// apart returns a draft with its own generator, so that its random choices do not affect the
// rest of the object.
func (d *draft) apart() *draft {
	return &draft{rng: rand.New(rand.NewPCG(d.rng.Uint64(), 0)), level: d.level}
}

// one returns a random element of a list.
func (d *draft) one(list []string) string { return list[d.rng.IntN(len(list))] }

// hash returns a string of length random hexadecimal digits.
func (d *draft) hash(length int) string {
	b := make([]byte, length)
	letters(b, hexDigits, d.rng)
	return string(b)
}

// image returns the name of a container's image, and its name by digest.
func (d *draft) image(app string) (name, digest string) {
	repository := d.one(registries) + app
	// The digest of an image is the same in all objects.
	same := rand.New(rand.NewPCG(uint64(len(repository)), uint64(repository[len(repository)-1])))
	b := make([]byte, 64)
	letters(b, hexDigits, same)
	return repository + ":" + d.one(versions), repository + "@sha256:" + string(b)
}

// fields returns JSON that resembles managed fields, of length bytes, which must be at least
// two.
func (d *draft) fields(length int) string {
	d = d.apart()
	var b strings.Builder
	b.WriteByte('{')
	for {
		item := `"f:` + d.one(fieldNames) + `":{},`
		if d.rng.IntN(4) == 0 {
			item = `"k:{\"` + d.one(fieldKeys) + `\":\"` + d.one(apps) + `\"}":{".":{},"f:` + d.one(fieldNames) + `":{}},`
		}
		if b.Len()+len(item) > length {
			break
		}
		b.WriteString(item)
	}
	text := strings.TrimSuffix(b.String(), ",") + "}"
	return text + strings.Repeat(" ", max(0, length-len(text)))
}

// managed adds an entry for the fields of one manager, with length bytes of fields.
func (d *draft) managed(m *message, manager, apiVersion, subresource string, length int) {
	m.embed(17, func(m *message) {
		m.text(1, manager)
		m.text(2, "Update")
		m.text(3, apiVersion)
		m.time(4, 3)
		m.text(6, "FieldsV1")
		m.embed(7, func(m *message) { m.text(1, d.fields(length)) })
		m.text(8, subresource)
	})
}

// identity adds the first fields of metav1.ObjectMeta.
func (d *draft) identity(m *message, namespace string, name ...part) {
	m.parts(1, name...)
	m.text(2, "")
	m.text(3, namespace)
	m.text(4, "")
	m.parts(5, part{draw: uuid, length: uuidLength, name: "uid"})
	m.text(6, "")
	m.number(7, 0)
	m.time(8, 0)
}

// owner adds a reference to the owner of an object.
func (d *draft) owner(m *message, apiVersion, typeName string, uid part, name ...part) {
	m.embed(13, func(m *message) {
		m.text(1, typeName)
		m.parts(3, name...)
		m.parts(4, uid)
		m.text(5, apiVersion)
		m.number(6, 1)
		m.number(7, 1)
	})
}

// nodeName returns the name of a node. It is equal in all places of an object.
func nodeName() []part {
	return []part{literal("worker-"), {draw: decimal, length: 4, name: "node"}}
}

// address returns an address in a network. Its last two bytes have three digits each.
func address(network, name string) []part {
	return []part{
		literal(network + ".1"), {draw: decimal, length: 2, name: name + "1"}, literal(".1"), {draw: decimal, length: 2, name: name + "2"},
	}
}

// quantities adds entries of a map from the name of a resource to its quantity.
func quantities(m *message, field int, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		m.embed(field, func(m *message) {
			m.text(1, pairs[i])
			m.embed(2, func(m *message) { m.text(1, pairs[i+1]) })
		})
	}
}
